"""Charts as SVG with the page's colours: scales, axes, marks, labels that do not clash."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

CHAR = 6.1  #: width of a character at the label size, pixels
LINE = 13.0  #: height of a line of labels
#: where a label may stand beside its mark: right, left, above, below, then the corners
PLACES = (
    (8, 4, ""), (-8, 4, "e"), (0, -8, "m"), (0, 16, "m"),
    (8, -6, ""), (8, 14, ""), (-8, -6, "e"), (-8, 14, "e"),
)  # fmt: skip


def num(value: float) -> str:
    """A coordinate with one decimal, without trailing zero."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.", "-.") if value else "0"


@dataclass(frozen=True)
class Scale:
    """Data interval [low, high] onto pixels [start, end]; `hold` keeps values inside of them."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    hold: bool = True

    def __call__(self, value: float) -> float:
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(max(value, 1e-300)) if self.log else value) - low
        share = share / (high - low) if high > low else 0.5
        if self.hold:
            share = min(1.0, max(0.0, share))
        return self.start + share * (self.end - self.start)

    def _bend(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self, most: int = 6) -> list[float]:
        """Round values inside the interval."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, most)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], at most about `most`."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten in [low, high]; with fewer than three also multiples, or a linear scale's."""
    span = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        values = [d * 10.0**e for e in span for d in digits if low <= d * 10.0**e <= high]
        if len(values) >= 3:
            return values
    return ticks(low, high, 4)


def tick_text(value: float) -> str:
    """A tick's label: 0.02, 5, 1k, 10M, with a true minus sign."""
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{suffix}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


@dataclass
class Drawing:
    """An SVG under construction; every text is escaped."""

    width: float
    height: float
    label: str  #: the finding in words: what a screen reader says
    parts: list[str] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    left: float = 0  #: no label starts further left
    window: tuple[float, float, float, float] = (0, 0, 0, 0)

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self.lines([(x1, y1, x2, y2)], css)

    def path(self, points: Iterable[tuple[float, float]], css: str, close: bool = False) -> None:
        """A polyline in relative steps of a tenth of a pixel."""
        steps: list[str] = []
        last = (0, 0)
        for x, y in points:
            at = (round(10 * x), round(10 * y))
            dx, dy = at[0] - last[0], at[1] - last[1]
            steps.append(f"{'l' if steps else 'M'}{num(dx / 10)} {num(dy / 10)}")
            last = at
        self.parts.append(f'<path class="{css}" d="{"".join(steps)}{"z" if close else ""}"/>')

    def rect(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A filled rectangle."""
        self.path([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], css, close=True)

    def lines(self, segments: Iterable[tuple[float, float, float, float]], css: str) -> None:
        """Straight lines of one class, as one element."""
        d = "".join(
            f"M{num(x1)} {num(y1)}" + (f"V{num(y2)}" if x1 == x2 else f"L{num(x2)} {num(y2)}")
            for x1, y1, x2, y2 in segments
        )
        self.parts.append(f'<path class="{css}" d="{d}"/>')

    def clip(self, x1: float, y1: float, x2: float, y2: float) -> Drawing:
        """A drawing of the same coordinates of which only this window shows; see `insert`."""
        self.window = (x1, y1, x2 - x1, y2 - y1)
        return Drawing(self.width, self.height, "", taken=self.taken)

    def insert(self, inner: Drawing) -> None:
        """Put the drawing that `clip` gave into its window."""
        x, y, w, h = map(num, self.window)
        box = f'x="{x}" y="{y}" width="{w}" height="{h}" viewBox="{x} {y} {w} {h}"'
        self.parts.append(f"<svg {box}>{''.join(inner.parts)}</svg>")

    def text(self, x: float, y: float, value: str, css: str = "t", anchor: str = "") -> None:
        """A text; anchor '' (start), 'm' (middle) or 'e' (end)."""
        css = f"{css} {anchor}".strip()
        self.parts.append(f'<text class="{css}" x="{num(x)}" y="{num(y)}">{escape(value)}</text>')

    def mark(
        self, x: float, y: float, css: str, shape: str = "o", title: str = "", r: float = 4
    ) -> None:
        """A mark: 'o' circle, 's' square, 'v' triangle (off the scale); `title` shows on hover."""
        outline = {
            "o": f"M{num(x - r)} {num(y)}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 -{2 * r} 0",
            "s": f"M{num(x - r + 0.5)} {num(y - r + 0.5)}h{2 * r - 1}v{2 * r - 1}h-{2 * r - 1}z",
            "v": f"M{num(x - r)} {num(y - r)}h{2 * r}l-{r} {2 * r}z",
        }[shape]
        hover = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(
            f'<path class="{css}" d="{outline}"{f">{hover}</path>" if hover else "/>"}'
        )
        self.taken.append((x - r, y - r, x + r, y + r))

    def name(self, x: float, y: float, value: str, css: str = "n") -> bool:
        """Label a mark where no other label or mark is; False where there is no room."""
        wide = CHAR * len(value)
        for dx, dy, anchor in PLACES:
            left = x + dx - {"": 0.0, "e": wide, "m": wide / 2}[anchor]
            box = (left, y + dy - LINE + 3, left + wide, y + dy + 3)
            inside = left >= self.left and box[2] <= self.width
            if inside and not any(_overlap(box, other) for other in self.taken):
                self.taken.append(box)
                self.text(x + dx, y + dy, value, css, anchor)
                return True
        return False

    def render(self) -> str:
        """The SVG element."""
        return (
            f'<svg role="img" viewBox="0 0 {num(self.width)} {num(self.height)}" '
            f'aria-label="{escape(self.label)}">{"".join(self.parts)}</svg>'
        )


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def x_axis(drawing: Drawing, scale: Scale, y1: float, y2: float, title: str = "") -> None:
    """Grid lines from y1 to y2 with labels below, and the axis' title."""
    at = [(scale(value), value) for value in scale.ticks()]
    drawing.lines([(x, y1, x, y2) for x, _ in at], "g")
    for x, value in at:
        drawing.text(x, y2 + 14, tick_text(value), "t", "m")
    if title:
        drawing.text((scale.start + scale.end) / 2, y2 + 31, title, "t", "m")


def y_axis(drawing: Drawing, scale: Scale, x1: float, x2: float) -> None:
    """Grid lines from x1 to x2 with labels at the left."""
    at = [(scale(value), value) for value in scale.ticks(5)]
    drawing.lines([(x1, y, x2, y) for y, _ in at], "g")
    for y, value in at:
        drawing.text(x1 - 6, y + 4, tick_text(value), "t", "e")
