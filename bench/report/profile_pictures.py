"""results/profile/*.png: what a profile shows, by matplotlib, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bench.profile.reading import (
    Line,
    by_kernel,
    exponent,
    face,
    label,
    lines_of,
    machine,
    us,
)
from bench.profile.rows import BRUTE, Profile, Row
from bench.report import text
from bench.report.figures import STYLE
from bench.report.profile_drawing import (
    FAINT,
    GREY,
    look,
    microseconds,
    png,
    spread,
    write,
)
from bench.report.profile_plots import logdet_share, roofline, speedup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 140
DASHES = {"eager": "-", "fused": "--", "triton": "--", "compiled": "-.", "graph": ":"}


def pictures(profile: Profile) -> dict[str, bytes]:
    """PNG bytes by file name; a picture without data is left out."""
    makers: dict[str, Callable[[Profile], Figure | None]] = {
        "latency.png": latency,
        "logdet-share.png": logdet_share,
        "roofline.png": roofline,
        "speedup.png": speedup,
    }
    import matplotlib
    from matplotlib import pyplot as plt

    out = {}
    with matplotlib.rc_context(STYLE | {"figure.dpi": DPI}), plt.ioff():
        matplotlib.use("agg")
        for name, maker in makers.items():
            figure = maker(profile)
            if figure is not None:
                out[name] = png(figure.canvas)  # type: ignore[arg-type]
                plt.close(figure)
    return out


def latency(profile: Profile) -> Figure | None:
    """Device time of a forward call against D, a panel per kernel, with the cost exponents."""
    from matplotlib import pyplot as plt

    panels = {k: lines for k, rows in by_kernel(profile).items() if (lines := lines_of(rows))}
    if not panels:
        return None
    columns = min(5, len(panels))
    deep = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        deep, columns, figsize=(max(7.4, 1.95 * columns), 1.2 + 1.6 * deep), squeeze=False,
        sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    rows = [r for lines in panels.values() for line in lines for r in line]
    _scales(axes.flat[0], rows)
    for i, axis in enumerate(axes.flat):
        if i >= len(panels):
            axis.set_axis_off()
            continue
        name = list(panels)[i]
        _panel(axis, profile, name, panels[name])
        if i + columns >= len(panels):
            axis.tick_params(labelbottom=True)
            axis.set_xlabel("dimension D", fontsize=7)
    figure.supylabel("device time of a call (down is faster)", fontsize=8)
    wide = 5 if columns == 5 else 2
    figure.legend(
        handles=_key(panels.values()), loc="outside lower center", ncols=wide, frameon=False
    )
    figure.suptitle(
        "Forward pass: time of map and log-determinant against D. Band: p20 to p80. Number: "
        f"exponent of D between the two largest.\n{machine(profile)}", fontsize=8, color=GREY,
    )  # fmt: skip
    return figure


def _scales(axis: Any, rows: list[Row]) -> None:
    """The axes that all panels share; brute force may leave them."""
    times = [us(r) for r in rows if r.implementation != BRUTE] or [us(r) for r in rows]
    dims = sorted({r.dim for r in rows})
    ticks = dims[::-2][::-1]
    axis.set(xscale="log", yscale="log", ylim=(min(times) / 2, 4 * max(times)))
    axis.set_xlim(dims[0] / 1.5, dims[-1] * 2.6)
    axis.set_xticks(ticks, [str(d) for d in ticks])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter(microseconds)


def _style(row: Row) -> dict[str, Any]:
    if row.implementation == BRUTE:
        return {"color": "#7d8791", "ls": ":", "lw": 1.2}
    return look(row) | {"ls": "-" if row.baseline else DASHES[row.mode], "lw": 1.1, "ms": 2.7}


def _panel(axis: Any, profile: Profile, name: str, lines: list[Line]) -> None:
    axis.grid(color=FAINT, lw=0.6)
    low, high = axis.get_ylim()
    ends: list[tuple[float, int, str, str]] = []
    for line in lines:
        style, dims = _style(face(line)), [r.dim for r in line]
        axis.plot(dims, [us(r) for r in line], **style)
        spans = [r.device_us for r in line if r.device_us]
        axis.fill_between(
            dims, [s.p20 for s in spans], [s.p80 for s in spans], color=style["color"], alpha=0.18,
            lw=0,
        )  # fmt: skip
        fit, inside = exponent(profile, line[0]), [r for r in line if us(r) <= high]
        if fit is None or not inside:
            continue
        end, said = inside[-1], text.fixed(fit.last, 1)
        if end.implementation == BRUTE:  # ends earlier, often between the others' lines
            side: dict[str, Any] = {"ha": "right", "va": "bottom"}
            by = (0.0, 2.0)
            if len(inside) == 1:
                side, by = {"ha": "left", "va": "top"}, (4.0, 2.0)
            write(axis, said, (end.dim, us(end)), by, color=style["color"], **side)
        else:
            ends.append((us(end), end.dim, said, style["color"]))
    places = spread([e[0] for e in ends], (high / low) ** 0.1)
    for (_, dim, said, colour), at in zip(ends, places, strict=True):
        write(axis, said, (dim, at), (4, 0), color=colour, va="center")
    _title(axis, name, lines)


def _title(axis: Any, name: str, lines: list[Line]) -> None:
    base = next((r.implementation for line in lines if (r := face(line)).baseline), None)
    what = f"{lines[-1][0].batch} points" + (f", baseline {base}" if base else "")
    axis.set_title(name, loc="left", fontsize=8, pad=10)
    write(axis, what, (0, 1), (0, 3), xycoords="axes fraction")


def _key(panels: Iterable[list[Line]]) -> list[Any]:
    """The legend: what each line is."""
    from matplotlib import pyplot as plt

    faces = [face(line) for lines in panels for line in lines]
    brute = "brute force (slogdet of autograd's Jacobian), {} points only"
    looks = {
        brute.format(r.batch) if r.implementation == BRUTE else label(r): _style(r) for r in faces
    }
    return [plt.Line2D([], [], label=who, **style) for who, style in looks.items()]
