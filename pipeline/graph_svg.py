"""A caption's scene graph as a self-contained SVG: entities in a row, attributes below, relations as arcs above."""

import re
import textwrap
import unicodedata
from dataclasses import dataclass, field
from html import escape
from typing import Any

INK, MUTED, PAPER, RULE = "#1f2933", "#66727f", "#ffffff", "#d9dfe5"
ENTITY, ENTITY_TEXT = "#1f6f8b", "#ffffff"
ATTRIBUTE, ATTRIBUTE_LINE, ATTRIBUTE_TEXT = "#fff3d6", "#d9a72c", "#6b4e00"
RELATION, RELATION_LINE, RELATION_TEXT = "#f1eaf8", "#8557b0", "#553180"
PILL_COLOURS = {
    "attribute": (ATTRIBUTE, ATTRIBUTE_LINE, ATTRIBUTE_TEXT),
    "relation": (RELATION, RELATION_LINE, RELATION_TEXT),
}
FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"
SIZE, SMALL, BOLD = 15, 13, 1.1  # font sizes, px; how much wider the bold face is
MARGIN, GAP, NODE, PILL, LANE, PORT = 24, 26, 34, 24, 44, 16
LONGEST = 26  # characters of a label shown before an ellipsis; its tooltip has all of it


@dataclass
class _Node:
    label: str
    pills: list[tuple[str, str]]  # (text, kind) below the entity: its attributes, then relations that lack an end
    width: float = 0.0
    left: float = 0.0
    ports: list[tuple[int, str]] = field(default_factory=list)  # (arc, end), left to right

    def port(self, arc: int, end: str) -> float:
        position = self.ports.index((arc, end)) - (len(self.ports) - 1) / 2
        return self.left + self.width / 2 + position * PORT


@dataclass
class _Arc:
    label: str
    ends: dict[str, int]  # "subject" and "object" → entity
    lane: int = 0
    start: float = 0.0
    stop: float = 0.0
    center: float = 0.0

    @property
    def width(self) -> float:
        return _width(_short(self.label), SMALL) + 20

    @property
    def reach(self) -> tuple[float, float]:
        half = self.width / 2
        return min(self.start, self.center - half) - 8, max(self.stop, self.center + half) + 8


def graph_svg(caption: str, graph: dict[str, Any]) -> str:
    """
    An SVG document (text) of a caption and its graph, with nothing outside it: no script, no font, no link.

    `graph` is as sng_parser's: {"entities": [{"head", "attributes": [str]}], "relations": [[subject, text, object]]},
    where an end that is no entity's index (-1 or None) is left open. All texts are escaped.
    """
    nodes = [
        _Node(_text(entity["head"]), [(_text(name), "attribute") for name in entity.get("attributes", [])])
        for entity in graph["entities"]
    ]
    arcs = _arcs(graph["relations"], nodes)
    _assign_ports(nodes, arcs)
    _place_nodes(nodes, arcs)
    _assign_lanes(nodes, arcs)
    width = max([360.0, *(node.left + node.width + MARGIN for node in nodes), *(arc.reach[1] + MARGIN for arc in arcs)])
    lines = textwrap.wrap(_text(caption), max(30, int((width - 2 * MARGIN) / (SIZE * 0.53)))) or [""]
    lanes = max((arc.lane + 1 for arc in arcs), default=0)
    row = MARGIN + len(lines) * 22 + 14 + lanes * LANE + (10 if lanes else 0)  # top of the entities
    deepest = max((len(node.pills) for node in nodes), default=0)
    height = row + NODE + deepest * (PILL + 8) + (6 if deepest else 0) + MARGIN
    if not nodes:
        height = row + 30
    parts = [_caption(line, MARGIN + 14 + 22 * number) for number, line in enumerate(lines)]
    if not nodes:
        parts.append(f'<text x="{MARGIN}" y="{row + 4}" fill="{MUTED}" font-size="{SMALL}">no entities found</text>')
    # Lines first, boxes over them, so that a line never crosses a label.
    parts += [_arc_lines(arc, row) for arc in sorted(arcs, key=lambda arc: -arc.lane)]
    parts += [_arc_label(arc, row) for arc in arcs]
    parts += [_node(node, row) for node in nodes]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{FONT}" role="img">\n<title>{escape(_text(caption))}</title>\n'
        f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="12" fill="{PAPER}" '
        f'stroke="{RULE}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(text: Any) -> str:
    """Without what XML cannot hold: control characters, surrogates, the two non-characters."""
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cs") and char not in "\ufffe\uffff" else " "
        for char in str(text)
    )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1].rstrip() + "…"


def _width(text: str, size: float) -> float:
    """An estimate of a text's width in px that errs on the wide side for common sans-serif fonts."""

    def em(char: str) -> float:
        if unicodedata.east_asian_width(char) in "WF":
            return 1.0
        if re.match(r"[iljtfrI.,:;'|!()\[\] ]", char):
            return 0.38
        return 0.92 if char in "mwMW@%…" else 0.7 if char.isupper() else 0.6

    return sum(map(em, text)) * size


def _arcs(relations: list[Any], nodes: list[_Node]) -> list[_Arc]:
    """Relations between two entities; one with an open end, or with itself, becomes a pill below its entity."""
    arcs = []
    for subject, text, target in relations:
        label = _text(text)
        ends = {"subject": subject, "object": target}
        ends = {end: at for end, at in ends.items() if at is not None and 0 <= at < len(nodes)}
        if len(set(ends.values())) == 2:
            arcs.append(_Arc(label, ends))
        elif ends:
            shown = f"{label} ↺" if len(ends) == 2 else f"{label} …" if "subject" in ends else f"… {label}"
            nodes[next(iter(ends.values()))].pills.append((shown, "relation"))
    return arcs


def _assign_ports(nodes: list[_Node], arcs: list[_Arc]) -> None:
    """Orders the arcs' ends on each entity so that nested arcs do not cross: outwards, the longer the further in."""
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


def _place_nodes(nodes: list[_Node], arcs: list[_Arc]) -> None:
    """Entities from left to right, apart enough for the labels of arcs between neighbours."""
    x = float(MARGIN)
    for number, node in enumerate(nodes):
        labels = [_width(_short(text), SMALL) + 22 for text, _ in node.pills]
        node.width = max(64.0, _width(_short(node.label), SIZE) * BOLD + 24, len(node.ports) * PORT + 12, *labels)
        if number:
            for index, arc in enumerate(arcs):
                if sorted(arc.ends.values()) == [number - 1, number]:
                    here = next(end for end, at in arc.ends.items() if at == number)
                    there = next(end for end, at in arc.ends.items() if at == number - 1)
                    node.left = 0.0  # so that its port is an offset
                    x = max(x, nodes[number - 1].port(index, there) + arc.width + 28 - node.port(index, here))
        node.left = x
        x += node.width + GAP


def _assign_lanes(nodes: list[_Node], arcs: list[_Arc]) -> None:
    """Short arcs low, longer ones above what they span; then labels moved off the lines that pass their lane."""
    for index, arc in enumerate(arcs):
        places = [nodes[at].port(index, end) for end, at in arc.ends.items()]
        arc.start, arc.stop = min(places), max(places)
        arc.center = max((arc.start + arc.stop) / 2, MARGIN + arc.width / 2)
    placed: list[_Arc] = []
    for arc in sorted(arcs, key=lambda arc: arc.stop - arc.start):
        low, high = arc.reach
        below = [other.lane for other in placed if other.reach[0] < high and low < other.reach[1]]
        arc.lane = max(below, default=-1) + 1
        placed.append(arc)
    for arc in arcs:
        passing = [x for other in arcs if other.lane > arc.lane for x in (other.start, other.stop)]
        arc.center = _clear_center(arc, passing)


def _clear_center(arc: _Arc, passing: list[float]) -> float:
    """The place for the arc's label, nearest its middle, that the vertical lines of higher arcs leave free."""
    half = arc.width / 2
    low, high = arc.start + half + 6, arc.stop - half - 6
    beside = [x + side * (half + 8) for x in passing for side in (-1, 1)]
    near = [arc.center, *(x for x in beside if low <= x <= high)]
    return min(near, key=lambda c: (sum(abs(x - c) < half + 4 for x in passing), abs(c - arc.center)))


def _level(arc: _Arc, row: float) -> float:
    return row - 14 - (arc.lane + 0.5) * LANE + 4


def _caption(line: str, y: float) -> str:
    return f'<text x="{MARGIN}" y="{y:.0f}" font-size="{SIZE}" font-style="italic" fill="{INK}">{escape(line)}</text>'


def _arc_lines(arc: _Arc, row: float) -> str:
    y, bend = _level(arc, row), 10
    pen = f'fill="none" stroke="{RELATION_LINE}" stroke-width="1.6"'
    parts = []
    for end, at in arc.ends.items():
        x = arc.stop if at == max(arc.ends.values()) else arc.start
        turn = max(-bend, min(bend, arc.center - x))
        foot = row - 7 if end == "object" else row - 1
        parts.append(
            f'<path d="M{x:.1f},{foot:.1f} V{y + bend:.1f} Q{x:.1f},{y:.1f} {x + turn:.1f},{y:.1f} '
            f'H{arc.center:.1f}" {pen}/>'
        )
        if end == "object":
            parts.append(f'<path d="M{x:.1f},{row - 1:.1f} l-5,-9 h10 z" fill="{RELATION_LINE}"/>')
        else:
            parts.append(f'<circle cx="{x:.1f}" cy="{row - 1:.1f}" r="3.2" fill="{RELATION_LINE}"/>')
    return "\n".join(parts)


def _arc_label(arc: _Arc, row: float) -> str:
    return _box(
        arc.center - arc.width / 2,
        _level(arc, row) - 12,
        arc.width,
        24,
        5,
        RELATION,
        RELATION_LINE,
        arc.label,
        RELATION_TEXT,
        SMALL,
    )


def _node(node: _Node, row: float) -> str:
    middle = node.left + node.width / 2
    parts = []
    if node.pills:
        end = row + NODE + len(node.pills) * (PILL + 8) - PILL / 2
        parts.append(
            f'<path d="M{middle:.1f},{row + NODE:.1f} V{end:.1f}" stroke="{ATTRIBUTE_LINE}" stroke-width="1.4"/>'
        )
    for number, (text, kind) in enumerate(node.pills):
        width = _width(_short(text), SMALL) + 22
        top = row + NODE + 8 + number * (PILL + 8)
        colours = PILL_COLOURS[kind]
        parts.append(
            _box(middle - width / 2, top, width, PILL, PILL / 2, colours[0], colours[1], text, colours[2], SMALL)
        )
    parts.append(_box(node.left, row, node.width, NODE, 10, ENTITY, ENTITY, node.label, ENTITY_TEXT, SIZE, "600"))
    return "\n".join(parts)


def _box(
    x: float,
    y: float,
    width: float,
    height: float,
    round_: float,
    fill: str,
    line: str,
    label: str,
    ink: str,
    size: int,
    weight: str = "400",
) -> str:
    return (
        f'<g><title>{escape(label)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" '
        f'rx="{round_}" fill="{fill}" stroke="{line}" stroke-width="1.2"/><text x="{x + width / 2:.1f}" '
        f'y="{y + height / 2 + size * 0.35:.1f}" text-anchor="middle" font-size="{size}" font-weight="{weight}" '
        f'fill="{ink}">{escape(_short(label))}</text></g>'
    )
