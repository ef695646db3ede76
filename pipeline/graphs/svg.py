"""Draws the scene graph of a caption as SVG: entities in a row, attributes below, relations as arcs above."""

import textwrap
from html import escape
from typing import Any

from hspcgan.pipeline.graphs.layout import MARGIN, SIZE, SMALL, Arc, Node, layout, printable, short, text_width

INK, MUTED, PAPER, RULE = "#1f2933", "#66727f", "#ffffff", "#d9dfe5"
ENTITY, ENTITY_TEXT = "#1f6f8b", "#ffffff"
ATTRIBUTE, ATTRIBUTE_LINE, ATTRIBUTE_TEXT = "#fff3d6", "#d9a72c", "#6b4e00"
RELATION, RELATION_LINE, RELATION_TEXT = "#f1eaf8", "#8557b0", "#553180"
PILL_COLOURS = {
    "attribute": (ATTRIBUTE, ATTRIBUTE_LINE, ATTRIBUTE_TEXT),
    "relation": (RELATION, RELATION_LINE, RELATION_TEXT),
}
FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"
NODE, PILL, LANE = 34, 24, 44  # heights, px


def graph_svg(caption: str, graph: dict[str, Any]) -> str:
    """
    Returns a self-contained SVG document of a caption and its graph, as a string without scripts, fonts or links.

    `graph` has sng_parser's format: {"entities": [{"head", "attributes": [str]}], "relations": [[subject, text,
    object]]}; −1 or None is a missing subject or object. All strings are escaped.
    """
    nodes, arcs = layout(graph)
    width = max([360.0, *(node.left + node.width + MARGIN for node in nodes), *(arc.reach[1] + MARGIN for arc in arcs)])
    lines = textwrap.wrap(printable(caption), max(30, int((width - 2 * MARGIN) / (SIZE * 0.53)))) or [""]
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
        f'height="{height:.0f}" font-family="{FONT}" role="img">\n<title>{escape(printable(caption))}</title>\n'
        f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="12" fill="{PAPER}" '
        f'stroke="{RULE}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _level(arc: Arc, row: float) -> float:
    return row - 14 - (arc.lane + 0.5) * LANE + 4


def _caption(line: str, y: float) -> str:
    return f'<text x="{MARGIN}" y="{y:.0f}" font-size="{SIZE}" font-style="italic" fill="{INK}">{escape(line)}</text>'


def _arc_lines(arc: Arc, row: float) -> str:
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


def _arc_label(arc: Arc, row: float) -> str:
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


def _node(node: Node, row: float) -> str:
    middle = node.left + node.width / 2
    parts = []
    if node.pills:
        end = row + NODE + len(node.pills) * (PILL + 8) - PILL / 2
        parts.append(
            f'<path d="M{middle:.1f},{row + NODE:.1f} V{end:.1f}" stroke="{ATTRIBUTE_LINE}" stroke-width="1.4"/>'
        )
    for number, (text, kind) in enumerate(node.pills):
        width = text_width(short(text), SMALL) + 22
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
        f'fill="{ink}">{escape(short(label))}</text></g>'
    )
