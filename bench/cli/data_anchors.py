"""`bench data anchors`: the registered scores of closed-form models, computed again."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import output
from bench.errors import BenchError, MissingError, UsageError, did_you_mean

if TYPE_CHECKING:
    from bench.datasets.anchors import Anchor
    from bench.datasets.anchors.compute import Outcome

#: verdict -> what the line is marked with, its colour, and the verdict of several
VERDICTS = {
    "agrees": ("pass", "0", "agree"),
    "differs": ("fail", "31", "differ"),
    "missing": ("missing", "33", "missing"),
}
WIDTHS = (30, 12, 13, 10)  #: of model, registered and computed figure, and how far it is off


def anchored_names() -> list[str]:
    """For completion: the data sets that have anchors."""
    from bench.datasets.anchors import ANCHORS

    return list(dict.fromkeys(a.dataset for a in ANCHORS))


Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", autocompletion=anchored_names)
]


def command(names: Names = None, json: output.Json = False) -> None:
    """Compute the anchors of data sets, compare with the registered figures.

    Anchors need no random number, so every printed digit must come out again: a wrong byte, split
    or order of rows shows. NAME may be a glob such as 'debd-*'; default: all, of which those
    without their files are told as missing. Ends with 1 where one differs, 3 where one of NAME is
    missing.
    """
    from bench.datasets.anchors.compute import compute

    outcomes: list[Outcome] = []
    terminal = sys.stdout.isatty() and not json
    for outcome in compute(chosen(names)):
        if terminal:
            _tell(outcome, outcomes[-1].anchor if outcomes else None)
        elif not json:
            output.emit([_row(outcome)])
        sys.stdout.flush()
        outcomes.append(outcome)
    if json:
        output.emit([_row(o) for o in outcomes], as_json=True)
    _conclude(outcomes, named=bool(names))


def chosen(names: list[str] | None) -> list[Anchor]:
    """The anchors of the named data sets, globs expanded. Raises UsageError for one without."""
    from bench.datasets.anchors import ANCHORS

    known = anchored_names()
    for name in names or ():
        if not any(fnmatchcase(n, name) for n in known):
            raise UsageError(
                f"no anchors are registered for '{name}'.{did_you_mean(name, known)} Known: "
                f"{', '.join(known)}"
            )
    return [a for a in ANCHORS if not names or any(fnmatchcase(a.dataset, n) for n in names)]


def _row(outcome: Outcome) -> dict[str, Any]:
    anchor = outcome.anchor
    return {
        "dataset": anchor.dataset,
        "split": anchor.split,
        "model": anchor.model,
        "unit": anchor.unit,
        "registered": anchor.printed,
        "computed": outcome.computed,
        "difference": outcome.difference,
        "verdict": outcome.verdict,
        "reason": outcome.missing,
    }


def _tell(outcome: Outcome, before: Anchor | None) -> None:
    """One line on a terminal, under a heading for each data set and split."""
    anchor = outcome.anchor
    if before is None:
        heads = ("model", "registered", "computed", "off by")
        print(output.paint(f"  {_columns(*heads)}  unit", "1"))
    if outcome.missing:
        if before is None or before.dataset != anchor.dataset:
            print(f"\n{_marked('missing', outcome.missing)}")
        return
    if before is None or (before.dataset, before.split) != (anchor.dataset, anchor.split):
        print(f"\n{output.paint(anchor.dataset, '1')}  {anchor.split}")
    decimals = len(anchor.printed.partition(".")[2])
    figures = f"{outcome.computed:.{decimals}f}", f"{outcome.difference:+.1e}"
    line = f"{_columns(anchor.model, anchor.printed, *figures)}  {anchor.unit}"
    print(_marked(outcome.verdict, line))


def _marked(verdict: str, line: str) -> str:
    status, colour, _ = VERDICTS[verdict]
    return output.paint(output.marked(status, line), colour)


def _columns(model: str, *figures: str) -> str:
    first, *widths = WIDTHS
    return model.ljust(first) + "".join(
        f.rjust(width) for f, width in zip(figures, widths, strict=True)
    )


def _conclude(outcomes: list[Outcome], named: bool) -> None:
    """The counts; an error where a figure differs, or a named data set is missing."""
    by = {v: [o for o in outcomes if o.verdict == v] for v in VERDICTS}
    counts = ", ".join(f"{len(of)} {VERDICTS[verdict][2]}" for verdict, of in by.items() if of)
    output.note(f"anchors: {counts}")
    if by["differs"]:
        which = dict.fromkeys(f"{o.anchor.dataset} {o.anchor.model}" for o in by["differs"])
        raise BenchError(
            f"{len(by['differs'])} of {len(outcomes)} anchors differ from their registered "
            f"figures: {'; '.join(which)}. The bytes, the splits, or the models have changed"
        )
    if named and by["missing"]:
        raise MissingError("; ".join(dict.fromkeys(o.missing or "" for o in by["missing"])))
