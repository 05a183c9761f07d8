"""The chart of all twins: how many times faster, and whether the score is the same."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import text
from bench.report.svg import Drawing, Scale, x_axis
from bench.report.twins import Pair


def twins(pairs: Sequence[Pair]) -> str:
    """Speed at equal weights at the left, paired score difference in s.e. at the right."""
    rows = [p for p in pairs if p.score or p.converted]
    if not rows:
        return ""
    drawing = Drawing(880, 74 + 19 * len(rows), twins_finding(rows))
    bottom = 34 + 19 * len(rows)
    ratios = [r for p in rows for r in speed(p) if r]
    left = Scale(min([0.8, *ratios]) / 1.1, max([1.25, *ratios]) * 1.15, 250, 560, log=True)
    right = Scale(-6, 6, 600, 866)
    drawing.text(250, 14, "speed: log_prob ●, sampling ■", "t")
    drawing.text(600, 14, "score: in-house minus reference, s.e.", "t")
    drawing.rect(right(-2), 24, right(2), bottom, "band")
    x_axis(drawing, left, 24, bottom, "reference time / in-house time (right: in-house faster)")
    x_axis(drawing, right, 24, bottom, "band: not separable (right: in-house better)")
    drawing.line(left(1), 24, left(1), bottom, "z")
    drawing.line(right(0), 24, right(0), bottom, "z")
    for i, pair in enumerate(rows):
        _twin(drawing, left, right, pair, 40 + 19 * i)
    return drawing.render()


def speed(pair: Pair) -> tuple[float | None, float | None]:
    """log_prob and sampling ratio at equal weights; the two rows' own where not converted."""
    c = pair.converted
    log_prob = c.log_prob_ratio if c and c.log_prob_ratio else pair.log_prob_ratio
    return log_prob, (c.sample_ratio if c and c.sample_ratio else pair.sample_ratio)


def _twin(drawing: Drawing, left: Scale, right: Scale, pair: Pair, y: float) -> None:
    drawing.text(240, y + 4, text.shorten(f"{pair.dataset} · {pair.model}", 38), "n", "e")
    for ratio, style, form in zip(speed(pair), ("ka", "kb"), "os", strict=True):
        if ratio:
            what = "log_prob" if form == "o" else "sampling"
            drawing.mark(left(ratio), y, style, form, f"{what} {ratio:.2f} times as fast")
    if pair.score and pair.score.se > 0:
        z = pair.score.mean / pair.score.se
        drawing.line(right(z - 2), y, right(z + 2), y, "ea")
        shown = f"{text.fixed(pair.score.mean, 4, sign=True)} ± {pair.score.se:.4f} nats"
        drawing.mark(right(z), y, "ka", "o" if abs(z) < 6 else "v", shown)


def twins_finding(rows: Sequence[Pair]) -> str:
    """'14 of 20 twins sample faster in-house; 18 score the same, 2 better, 0 worse'."""
    faster = sum((speed(p)[1] or 0) > 1 for p in rows)
    verdicts = [p.verdict for p in rows]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("same", "better", "worse"))
    return f"{faster} of {len(rows)} twins sample faster in-house; score: {counts}"
