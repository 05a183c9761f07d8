"""What the runs say: catch rates, false alarms, blind spots, with Wilson intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

Row = dict[str, Any]
SILENT = ("inconclusive", "error")
LEVEL = 1.959964  #: standard normal quantile of 95 %


@dataclass(frozen=True)
class Calibration:
    """The tables of one calibration, each a list of rows with the same keys."""

    checks: list[Row]
    cheats: list[Row]
    honest: list[Row]
    blind: list[Row]
    alarms: list[Row]

    @property
    def kept(self) -> bool:
        """No honest model failed, and each named cheat was seen at every seed."""
        return not self.alarms and all(r["seen"] == 1 for r in self.cheats if r["named"])


def summarise(runs: pd.DataFrame) -> Calibration:
    """All tables of the verdicts that `run.measure` returns."""
    cheats = _cheats(runs[~runs.honest])
    return Calibration(
        checks=_checks(runs),
        cheats=cheats,
        honest=_honest(runs[runs.honest]),
        blind=[r for r in cheats if r["seen"] == 0],
        alarms=_alarms(runs[runs.honest]),
    )


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, LEVEL**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = LEVEL * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _checks(runs: pd.DataFrame) -> list[Row]:
    """One row per check: how many cheats it sees, how often it wrongs an honest model."""
    rows = []
    for check, found in runs[runs.verdict != "n/a"].groupby("check"):
        honest, cheats = found[found.honest], found[~found.honest]
        failed, n = int((honest.verdict == "fail").sum()), len(honest)
        silent = int(honest.verdict.isin(SILENT).sum())
        caught = int((cheats.verdict == "fail").sum())
        seen = cheats[cheats.verdict == "fail"].name.nunique()
        rows.append(
            {
                "check": check,
                "cheats": f"{seen} of {cheats.name.nunique()}",
                "caught": _share(caught, len(cheats)),
                "honest runs": n,
                "false alarms": failed,
                "false alarm rate": _interval(failed, n),
                "silent": silent,
                "silent rate": _interval(silent, n),
            }
        )
    return rows


def _cheats(runs: pd.DataFrame) -> list[Row]:
    """One row per cheat, base and truth."""
    rows = []
    for (name, base, truth), found in runs.groupby(["name", "base", "truth"], sort=False):
        seeds = found.seed.nunique()
        failed = found[found.verdict == "fail"]
        rows.append(
            {
                "cheat": name,
                "base": base,
                "truth": truth,
                "named": bool(found.named.iloc[0]),
                "seeds": seeds,
                "seen": failed.seed.nunique() / seeds,
                "failing checks": len(failed) / seeds,
                "by": _by_check(failed, seeds),
                "silent": _by_check(found[found.verdict.isin(SILENT)], seeds),
                "seconds": _seconds(found),
            }
        )
    return sorted(rows, key=lambda r: not r["named"])


def _honest(runs: pd.DataFrame) -> list[Row]:
    """One row per honest model and truth."""
    rows = []
    for (name, truth), found in runs.groupby(["name", "truth"], sort=False):
        seeds, applies = found.seed.nunique(), found[found.verdict != "n/a"]
        failed = applies[applies.verdict == "fail"]
        silent = applies[applies.verdict.isin(SILENT)]
        rows.append(
            {
                "model": name,
                "truth": truth,
                "seeds": seeds,
                "verdicts": len(applies),
                "false alarms": len(failed),
                "by": _by_check(failed, seeds),
                "silent": _share(len(silent), len(applies)),
                "silent checks": _by_check(silent, seeds),
                "seconds": _seconds(found),
            }
        )
    return rows


def _alarms(runs: pd.DataFrame) -> list[Row]:
    """Every failure of an honest model, with the check's own words."""
    failed = runs[runs.verdict == "fail"]
    return [
        {"model": r.name_, "truth": r.truth, "seed": r.seed, "check": r.check, "detail": r.detail}
        for r in failed.rename(columns={"name": "name_"}).itertuples()
    ]


def _by_check(found: pd.DataFrame, seeds: int) -> str:
    """`balance, truth 67%`: a share where not every seed."""
    counts = found.groupby("check").seed.nunique().to_dict()
    return ", ".join(
        str(check) if n == seeds else f"{check} {n / seeds:.0%}" for check, n in counts.items()
    )


def _seconds(found: pd.DataFrame) -> float:
    """Median CPU time of a battery."""
    return round(float(found.groupby("seed").seconds.first().median()), 1)


def _share(hits: int, n: int) -> str:
    return f"{hits / n:.0%}" if n else "n/a"


def _interval(hits: int, n: int) -> str:
    """`1.2% (0.3-4.1)`: the share and its 95 % interval, in per cent."""
    if n == 0:
        return "n/a"
    low, high = wilson(hits, n)
    return f"{hits / n:.1%} ({100 * low:.1f}-{100 * high:.1f})"
