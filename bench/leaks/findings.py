"""What a report says in words: one sentence per finding, warnings first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.leaks.report import Column, Columns, DataReport, Finding, Nearest, Repeats

SIGMAS = 5.0  #: standard errors beyond chance
EXCESS = 0.01  #: share of rows beyond chance
NEARER = 0.02  #: of a probability
FEW = 20  #: distinct values of a column that are called few
ATOM = 0.01  #: share of one value that is told
GAIN = 0.1  #: nats per row by tenfold narrower kernels that can decide a ranking
COARSE = 0.05  #: standard deviations between the points of a grid that a smooth density can see
NAMED = 4  #: columns that a sentence names


def findings(report: DataReport) -> list[Finding]:
    """All findings of a report, warnings first."""
    continuous = report.dtype.startswith("float")
    found = [
        *_repeated("test", report.rows.test_in_train, continuous),
        *_repeated("validation", report.rows.valid_in_train, continuous),
        *_within("training", report.rows.repeated_in_train, continuous),
        *_within("test", report.rows.repeated_in_test, continuous),
        *(_near(report.nearest) if report.nearest else ()),
        *_dependent(report.columns, continuous),
        *_tied(report.columns.each),
        *_gridded(report.columns.each),
    ]
    return sorted(found, key=lambda f: f.severity != "warning")


def _repeated(what: str, repeats: Repeats, continuous: bool) -> Iterator[Finding]:
    if not repeats.count:
        return
    text = f"{percent(repeats.share)} of the {what} rows ({repeats.count} of {repeats.n}) are "
    text += "training rows"
    beyond = True
    if repeats.chance is not None and repeats.z is not None:
        beyond = repeats.z > SIGMAS and repeats.share - repeats.chance > EXCESS
        source = "known law" if repeats.chance_by == "truth" else "held-out training rows"
        text += f"; {percent(repeats.chance)} would be by chance ({source})"
    if continuous:
        text += ". A density can gain there without bound"
    yield _finding(beyond or continuous, text)


def _within(what: str, share: float, continuous: bool) -> Iterator[Finding]:
    if share > 0:
        yield _finding(continuous, f"{percent(share)} of the {what} rows repeat an earlier one")


def _near(near: Nearest) -> Iterator[Finding]:
    sizes = f"{near.test} test and {near.held_out} held-out rows against {near.train}"
    odds = f"probability {near.nearer:.3f}, {near.z:+.1f} standard errors; {sizes}"
    if near.z > SIGMAS and near.nearer - 0.5 > NEARER:
        yield _finding(
            True, f"test rows lie nearer to training rows than training rows themselves ({odds})"
        )
    if near.z < -SIGMAS and 0.5 - near.nearer > NEARER:
        yield _finding(
            False,
            "test rows lie farther from training rows than training rows themselves "
            f"({odds}): the splits were not drawn at random",
        )
    excess = near.closest_share - near.closest_chance
    if near.closest_z > SIGMAS and excess > EXCESS:
        yield _finding(
            True,
            f"of the {near.closest} rows closest to a training row {percent(near.closest_share)} "
            f"are test rows; {percent(near.closest_chance)} would be by chance "
            f"({near.closest_z:+.1f} standard errors)",
        )


def _dependent(columns: Columns, continuous: bool) -> Iterator[Finding]:
    unbounded = ". A density can gain there without bound" if continuous else ""
    if columns.constant:
        verb = "has" if len(columns.constant) == 1 else "have"
        named = _named(columns.constant)
        yield _finding(continuous, f"{named} {verb} one value in all training rows{unbounded}")
    for group in columns.copies:
        yield _finding(continuous, f"{_named(group)} are equal in all training rows{unbounded}")
    if columns.rank is not None and columns.rank < columns.varying:
        yield _finding(
            True,
            f"the {columns.varying} columns that vary span {columns.rank} dimensions: some are "
            f"linear functions of others{unbounded}",
        )


def _tied(each: Sequence[Column]) -> Iterator[Finding]:
    few = [c for c in each if 1 < c.distinct <= FEW]
    for c in few:
        yield _finding(
            True,
            f"column {c.index} takes {c.distinct} values only. A density can gain there without "
            "bound",
        )
    tied = [c for c in each if c.tied_test > 0]
    if tied:
        worst, gain = max(tied, key=lambda c: c.tied_test), sum(c.gain for c in tied)
        yield _finding(
            gain >= GAIN,
            f"in {_count(tied)} test values are values of the training rows, in column "
            f"{worst.index} {percent(worst.tied_test)} of them: every tenfold narrower kernel "
            f"gains {gain:.2g} nats per row, without bound",
        )
    atoms = [c for c in each if c.distinct > FEW and c.top_share >= ATOM]
    if atoms:
        largest = max(c.top_share for c in atoms)
        verb = "holds" if len(atoms) == 1 else "hold"
        named = _named([c.index for c in atoms])
        yield _finding(False, f"{named} {verb} one value in up to {percent(largest)} of the rows")


def _gridded(each: Sequence[Column]) -> Iterator[Finding]:
    on = [(c, c.spacing_sd) for c in each if c.spacing_sd is not None]
    if on:
        coarsest, spacing = max(on, key=lambda pair: pair[1])
        yield _finding(
            spacing >= COARSE,
            f"{_count(on)} {'lies' if len(on) == 1 else 'lie'} on a grid, the coarsest (column "
            f"{coarsest.index}) in steps of {spacing:.2g} standard deviations",
        )


def _finding(warning: bool, text: str) -> Finding:
    return Finding(severity="warning" if warning else "note", text=f"{text}.")


def percent(share: float) -> str:
    """Three digits, and never 100 % for what is not."""
    rounded = float(f"{100 * share:.3g}")
    return "more than 99.9 %" if share < 1 and rounded >= 100 else f"{rounded:g} %"


def _count(columns: Sequence[object]) -> str:
    return "1 column" if len(columns) == 1 else f"{len(columns)} columns"


def _named(indices: Sequence[int]) -> str:
    """`columns 1, 2, 3, 4 and 7 more`."""
    if len(indices) == 1:
        return f"column {indices[0]}"
    shown = [str(i) for i in indices[:NAMED]]
    if (rest := len(indices) - len(shown)) > 0:
        return f"columns {', '.join(shown)} and {rest} more"
    return f"columns {', '.join(shown[:-1])} and {shown[-1]}"
