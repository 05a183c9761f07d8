"""results/leaderboard.csv: the tidy table in full precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def render(table: pd.DataFrame) -> str:
    """CSV text: a header line, `\\n` line ends, every float with the digits that restore it."""
    return str(table.to_csv(index=False, lineterminator="\n"))
