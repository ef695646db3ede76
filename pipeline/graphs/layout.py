"""Computes the layout of a scene graph drawing: entities in a row, relations as arcs in lanes above them."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

SIZE, SMALL, BOLD = 15, 13, 1.1  # font sizes in px; width of bold text relative to regular text
MARGIN, GAP, PORT = 24, 26, 16  # px: around the drawing, between entities, between line ends at an entity
LONGEST = 26  # characters of a label shown before an ellipsis; the tooltip shows the whole label


@dataclass
class Node:
    """The box of an entity; `width`, `left` and `ports` are set by `layout`."""

    label: str
    pills: list[tuple[str, str]]  # (text, kind) below the entity: its attributes, relations without another entity
    width: float = 0.0
    left: float = 0.0
    ports: list[tuple[int, str]] = field(default_factory=list)  # (arc, end), left to right

    def port(self, arc: int, end: str) -> float:
        position = self.ports.index((arc, end)) - (len(self.ports) - 1) / 2
        return self.left + self.width / 2 + position * PORT


@dataclass
class Arc:
    """A relation between two entities: from `start` to `stop` in a lane, with its label centred at `center`."""

    label: str
    ends: dict[str, int]  # "subject" and "object" → entity
    lane: int = 0
    start: float = 0.0
    stop: float = 0.0
    center: float = 0.0

    @property
    def width(self) -> float:
        return text_width(short(self.label), SMALL) + 20

    @property
    def reach(self) -> tuple[float, float]:
        half = self.width / 2
        return min(self.start, self.center - half) - 8, max(self.stop, self.center + half) + 8


def layout(graph: dict[str, Any]) -> tuple[list[Node], list[Arc]]:
    """Returns the entities and arcs of a graph (see `graph_svg`), with horizontal positions and the lanes of arcs."""
    nodes = [
        Node(printable(entity["head"]), [(printable(name), "attribute") for name in entity.get("attributes", [])])
        for entity in graph["entities"]
    ]
    arcs = _arcs(graph["relations"], nodes)
    _assign_ports(nodes, arcs)
    _place_nodes(nodes, arcs)
    _assign_lanes(nodes, arcs)
    return nodes, arcs


def printable(text: Any) -> str:
    """Replaces characters that XML does not allow by spaces: control characters, surrogates, U+FFFE and U+FFFF."""
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cs") and char not in "\ufffe\uffff" else " "
        for char in str(text)
    )


def short(label: str) -> str:
    """Shortens a label for display."""
    return label if len(label) <= LONGEST else label[: LONGEST - 1].rstrip() + "…"


def text_width(text: str, size: float) -> float:
    """Estimates the width of a string in px for common sans-serif fonts; tends to overestimate."""

    def em(char: str) -> float:
        if unicodedata.east_asian_width(char) in "WF":
            return 1.0
        if re.match(r"[iljtfrI.,:;'|!()\[\] ]", char):
            return 0.38
        return 0.92 if char in "mwMW@%…" else 0.7 if char.isupper() else 0.6

    return sum(map(em, text)) * size


def _arcs(relations: list[Any], nodes: list[Node]) -> list[Arc]:
    """Returns the arcs of relations between two entities; a relation of one entity becomes a label below it."""
    arcs = []
    for subject, text, target in relations:
        label = printable(text)
        ends = {"subject": subject, "object": target}
        ends = {end: at for end, at in ends.items() if at is not None and 0 <= at < len(nodes)}
        if len(set(ends.values())) == 2:
            arcs.append(Arc(label, ends))
        elif ends:
            shown = f"{label} ↺" if len(ends) == 2 else f"{label} …" if "subject" in ends else f"… {label}"
            nodes[next(iter(ends.values()))].pills.append((shown, "relation"))
    return arcs


def _assign_ports(nodes: list[Node], arcs: list[Arc]) -> None:
    """Orders the ends of arcs at each entity so that nested arcs do not cross: longer arcs end nearer to the centre."""
    for number, node in enumerate(nodes):
        left: list[tuple[int, int, str]] = []  # (distance, arc, end)
        right: list[tuple[int, int, str]] = []
        for index, arc in enumerate(arcs):
            for end, at in arc.ends.items():
                if at == number:
                    step = sum(arc.ends.values()) - 2 * number
                    (left if step < 0 else right).append((abs(step), index, end))
        ordered = sorted(left) + sorted(right, reverse=True)
        node.ports = [(index, end) for _, index, end in ordered]


def _place_nodes(nodes: list[Node], arcs: list[Arc]) -> None:
    """Places entities from left to right, with room for the labels of arcs between neighbours."""
    x = float(MARGIN)
    for number, node in enumerate(nodes):
        labels = [text_width(short(text), SMALL) + 22 for text, _ in node.pills]
        node.width = max(64.0, text_width(short(node.label), SIZE) * BOLD + 24, len(node.ports) * PORT + 12, *labels)
        if number:
            for index, arc in enumerate(arcs):
                if sorted(arc.ends.values()) == [number - 1, number]:
                    here = next(end for end, at in arc.ends.items() if at == number)
                    there = next(end for end, at in arc.ends.items() if at == number - 1)
                    node.left = 0.0  # so that `port` returns an offset
                    x = max(x, nodes[number - 1].port(index, there) + arc.width + 28 - node.port(index, here))
        node.left = x
        x += node.width + GAP


def _assign_lanes(nodes: list[Node], arcs: list[Arc]) -> None:
    """Puts short arcs in low lanes and longer arcs above those they span; then moves labels away from other lines."""
    for index, arc in enumerate(arcs):
        places = [nodes[at].port(index, end) for end, at in arc.ends.items()]
        arc.start, arc.stop = min(places), max(places)
        arc.center = max((arc.start + arc.stop) / 2, MARGIN + arc.width / 2)
    placed: list[Arc] = []
    for arc in sorted(arcs, key=lambda arc: arc.stop - arc.start):
        low, high = arc.reach
        below = [other.lane for other in placed if other.reach[0] < high and low < other.reach[1]]
        arc.lane = max(below, default=-1) + 1
        placed.append(arc)
    for arc in arcs:
        passing = [x for other in arcs if other.lane > arc.lane for x in (other.start, other.stop)]
        arc.center = _clear_center(arc, passing)


def _clear_center(arc: Arc, passing: list[float]) -> float:
    """Returns the position nearest to the middle of an arc at which its label does not cover lines of higher arcs."""
    half = arc.width / 2
    low, high = arc.start + half + 6, arc.stop - half - 6
    beside = [x + side * (half + 8) for x in passing for side in (-1, 1)]
    near = [arc.center, *(x for x in beside if low <= x <= high)]
    return min(near, key=lambda c: (sum(abs(x - c) < half + 4 for x in passing), abs(c - arc.center)))
