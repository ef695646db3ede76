"""Draws scenes as polygons with Pillow at four times the size, then downsamples the picture for smooth edges.

Coordinates are fractions of the picture size, x to the right, y down; birds face right.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from hspcgan.pipeline.toybirds.scene import ABSENT, Scene

OVERSAMPLING = 4
RGB = {
    "black": (32, 32, 36), "white": (250, 250, 248), "red": (214, 40, 46), "green": (38, 140, 62),
    "yellow": (250, 214, 40), "blue": (36, 84, 200), "brown": (122, 76, 40), "orange": (244, 132, 28),
    "pink": (248, 158, 188), "purple": (128, 56, 160), "gray": (140, 142, 148),
}  # fmt: skip
INK = (44, 40, 48)
PALE_SKY, DEEP_SKY, CLOUD = (222, 236, 244), (150, 198, 236), (250, 252, 254)
GRASS, BLADE, WATER, WAVE = (168, 206, 124), (120, 170, 84), (122, 184, 204), (186, 222, 230)
BARK, LEAF, STRAW, STEM = (134, 98, 68), (140, 182, 106), (188, 150, 92), (84, 140, 72)
HORIZON = 0.66
BIRD_SCALE = {"large": 1.0, "small": 0.7}

Point = tuple[float, float]
Colour = tuple[int, int, int]


class Canvas:
    """A picture to draw on; `place` moves, scales and tilts everything drawn until its next call."""

    def __init__(self, size: int) -> None:
        self.side = size * OVERSAMPLING
        self.image = Image.new("RGB", (self.side, self.side), PALE_SKY)
        self.pen = ImageDraw.Draw(self.image)
        self.place((0, 0))

    def place(self, origin: Point, scale: float = 1.0, tilt: float = 0.0) -> None:
        cos, sin = math.cos(math.radians(tilt)) * scale, math.sin(math.radians(tilt)) * scale
        self.matrix = np.array([[cos, -sin], [sin, cos]])
        self.origin = np.array(origin)
        self.scale = scale

    def polygon(self, points: Sequence[Point] | np.ndarray, fill: Colour, outline: float = 0.012) -> None:
        """Draws a polygon; `outline` is the line width as a fraction of the size before scaling, 0 for no outline."""
        placed = [tuple(p) for p in (np.asarray(points) @ self.matrix.T + self.origin) * self.side]
        self.pen.polygon(placed, fill=fill)
        if outline:
            width = max(1, round(outline * math.sqrt(self.scale) * self.side))
            self.pen.line([*placed, placed[0], placed[1]], fill=INK, width=width, joint="curve")

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        placed = [tuple(p) for p in (np.asarray(points) @ self.matrix.T + self.origin) * self.side]
        self.pen.line(placed, fill=fill, width=max(1, round(width * self.scale * self.side)), joint="curve")


def ellipse(centre: Point, radii: Point, turn: float = 0.0, start: float = 0.0, stop: float = 360.0) -> np.ndarray:
    """Returns points on an ellipse between two angles (degrees, clockwise from the right), rotated by `turn`."""
    angles = np.radians(np.linspace(start, stop, 48))
    x, y = np.cos(angles) * radii[0], np.sin(angles) * radii[1]
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return np.stack([x * cos - y * sin + centre[0], x * sin + y * cos + centre[1]], axis=1)


def draw(scene: Scene, size: int) -> Image.Image:
    """Draws a scene as an RGB picture of size × size pixels; equal scenes give equal pixels."""
    canvas = Canvas(size)
    background(canvas, scene.place)
    scale = BIRD_SCALE[scene.size] * scene.stretch
    x = 0.44 + scene.shift[0]
    y = {"branch": 0.45, "grass": 0.53, "water": 0.60, "sky": 0.45}[scene.place]
    y += scene.shift[1] + (1 - scale) * {"branch": 0.285, "grass": 0.285, "water": 0.1, "sky": 0.0}[scene.place]
    things(canvas, scene, x)
    canvas.place((x, y), scale, scene.tilt)
    bird(canvas, scene)
    if scene.place == "water" and scene.body != ABSENT:
        ripples(canvas, y + 0.17 * scale, x, scale)
    return canvas.image.resize((size, size), Image.Resampling.BOX)


def background(canvas: Canvas, place: str) -> None:
    canvas.place((0, 0))
    if place == "sky":
        canvas.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], DEEP_SKY, outline=0)
        clouds = ((0.12, 0.2, 0.09), (0.24, 0.16, 0.11), (0.36, 0.2, 0.08), (0.72, 0.84, 0.1), (0.86, 0.87, 0.08))
        for x, y, r in clouds:
            canvas.polygon(ellipse((x, y), (r, r * 0.62)), CLOUD, outline=0)
    elif place == "grass":
        canvas.polygon([(0, HORIZON), (1, HORIZON), (1, 1), (0, 1)], GRASS, outline=0)
        for i in range(12):
            x = 0.04 + i * 0.085
            top = HORIZON - (0.05 if i % 2 else 0.03)
            canvas.polygon([(x, top), (x + 0.025, HORIZON + 0.04), (x - 0.025, HORIZON + 0.04)], BLADE, outline=0)
    elif place == "water":
        canvas.polygon([(0, HORIZON), (1, HORIZON), (1, 1), (0, 1)], WATER, outline=0)
        for x, y in ((0.06, 0.76), (0.74, 0.78), (0.2, 0.9), (0.6, 0.92)):
            canvas.polygon([(x, y), (x + 0.2, y), (x + 0.2, y + 0.02), (x, y + 0.02)], WAVE, outline=0)
    else:
        canvas.polygon([(0, 0.72), (1, 0.70), (1, 0.77), (0, 0.81)], BARK, outline=0)
        canvas.polygon([(0.86, 0.72), (1, 0.56), (1, 0.62), (0.92, 0.72)], BARK, outline=0)
        for x, y, turn in ((0.06, 0.68, -40), (0.14, 0.84, 30), (0.9, 0.84, -30)):
            canvas.polygon(ellipse((x, y), (0.075, 0.035), turn), LEAF, outline=0)


def things(canvas: Canvas, scene: Scene, x: float) -> None:
    """Draws the things around the bird: `beside` in front of its beak, `under` below the bird, `above` over it."""
    ground = {"branch": 0.74, "grass": 0.86, "water": 0.82, "sky": 0.94}[scene.place]
    if scene.nest_relation != ABSENT:
        under = scene.nest_relation == "under"
        canvas.place((x - 0.02, min(ground + 0.1, 0.9)) if under else (0.86, ground - 0.02))
        nest(canvas)
    if scene.flower != ABSENT:
        under = scene.flower_relation == "under"
        canvas.place((x - 0.12, 0.9) if under else (0.88, ground - 0.16))
        flower(canvas, RGB[scene.flower], stem=0.1 if under else 0.2)
    if scene.second != ABSENT:
        above = scene.second_relation == "above"
        canvas.place((x - 0.3, 0.15) if above else (0.86, ground - 0.10), 0.95)
        chick(canvas, RGB[scene.second], flying=above)


def nest(canvas: Canvas) -> None:
    canvas.polygon(ellipse((0, -0.02), (0.14, 0.1), 0, 0, 180), STRAW)
    for x in (-0.05, 0.02, 0.08):
        canvas.line([(x - 0.05, 0), (x, 0.05)], BARK, 0.014)


def flower(canvas: Canvas, colour: Colour, stem: float) -> None:
    canvas.line([(0, 0), (0, stem)], STEM, 0.03)
    for angle in range(0, 360, 72):
        a = math.radians(angle - 90)
        canvas.polygon(ellipse((0.05 * math.cos(a), 0.05 * math.sin(a)), (0.048, 0.048)), colour, outline=0.008)
    canvas.polygon(ellipse((0, 0), (0.032, 0.032)), (252, 240, 190), outline=0)


def chick(canvas: Canvas, colour: Colour, flying: bool) -> None:
    """Draws the second bird: small, in one colour, without parts."""
    canvas.polygon([(-0.08, -0.01), (-0.17, -0.04), (-0.16, 0.03)], colour, outline=0.008)
    canvas.polygon(ellipse((0, 0.01), (0.1, 0.065)), colour, outline=0.008)
    canvas.polygon(ellipse((0.085, -0.045), (0.05, 0.05)), colour, outline=0.008)
    canvas.polygon([(0.125, -0.06), (0.185, -0.035), (0.125, -0.02)], (250, 190, 60), outline=0.006)
    canvas.polygon(ellipse((0.098, -0.055), (0.013, 0.013)), INK if sum(colour) > 200 else CLOUD, outline=0)
    if flying:
        canvas.polygon([(-0.05, -0.02), (0.05, -0.02), (-0.07, -0.14)], colour, outline=0.008)


def bird(canvas: Canvas, scene: Scene) -> None:
    """Draws the main bird with the centre of its body at the origin; a large bird is about 0.75 of the picture wide.

    ABSENT parts are not drawn; if the body is ABSENT, no bird is drawn. The toy CLIP learns presence from such scenes.
    """
    if scene.body == ABSENT:
        return
    body = RGB[scene.body]
    wing = RGB.get(scene.wing, body)
    if scene.place in ("branch", "grass"):
        for x in (-0.03, 0.06):
            canvas.line([(x, 0.16), (x, 0.30)], INK, 0.026)
    canvas.polygon([(-0.15, -0.03), (-0.36, -0.12), (-0.35, 0.03), (-0.16, 0.09)], wing)
    canvas.polygon(ellipse((0, 0), (0.235, 0.18), -14), body)
    if scene.belly != ABSENT:
        canvas.polygon(ellipse((0.045, 0.062), (0.165, 0.105), -20), RGB[scene.belly], outline=0)
    raised = [(-0.14, -0.04), (0.09, -0.06), (-0.06, -0.40), (-0.17, -0.34), (-0.2, -0.2)]
    if scene.wing != ABSENT:
        canvas.polygon(raised if scene.place == "sky" else ellipse((-0.085, -0.025), (0.165, 0.085), 14), wing)
    head(canvas, scene)


def head(canvas: Canvas, scene: Scene) -> None:
    body = RGB[scene.body]
    crown = RGB.get(scene.crown, body)
    centre, radius = (0.185, -0.165), 0.135
    length = {"long": 0.27, "short": 0.13}[scene.beak_length]
    if scene.collar != ABSENT:
        canvas.polygon(ellipse((0.11, -0.045), (0.155, 0.085), 32), RGB[scene.collar])
    if scene.crest:
        canvas.polygon([(0.10, -0.25), (0.03, -0.38), (0.15, -0.32), (0.17, -0.43), (0.24, -0.29)], crown)
    x = centre[0] + radius - 0.02
    if scene.beak != ABSENT:
        canvas.polygon([(x - 0.02, -0.235), (x + length, -0.135), (x - 0.02, -0.055)], RGB[scene.beak], outline=0.009)
    canvas.polygon(ellipse(centre, (radius, radius)), body)
    if scene.crown != ABSENT:
        canvas.polygon(ellipse(centre, (radius, radius), -8, 180, 360), crown)
    canvas.polygon(ellipse((0.225, -0.145), (0.036, 0.036)), CLOUD, outline=0.008)
    canvas.polygon(ellipse((0.235, -0.145), (0.018, 0.018)), INK, outline=0)


def ripples(canvas: Canvas, y: float, x: float, scale: float) -> None:
    """Draws water in front of the lower edge of a swimming bird."""
    canvas.place((x, y))
    canvas.polygon(ellipse((0, 0), (0.3 * scale, 0.045 * scale)), WATER, outline=0)
    canvas.polygon(ellipse((0, -0.004), (0.3 * scale, 0.016), 0, 180, 360), WAVE, outline=0)
