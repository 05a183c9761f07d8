"""Numbers and phrases as the tables print them."""

from __future__ import annotations

import math
from collections.abc import Sequence

NONE = "–"
MINUS = "\N{MINUS SIGN}"


def fixed(value: float | None, decimals: int, sign: bool = False) -> str:
    """A number with a true minus sign; an en dash for none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.replace("-", "").replace("+", "")
    return text.replace("-", MINUS)


def decimals_for(error: float | None) -> int:
    """Decimals that show two significant digits of an error, 2 to 5; 4 without one."""
    if error is None or not math.isfinite(error) or error <= 0:
        return 4
    return min(5, max(2, 1 - math.floor(math.log10(error))))


def significant(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands separated: 0.0123, 12.3, 1,230."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    if decimals > 6:
        return f"{value:.1e}".replace("-", MINUS)
    return f"{round(value, decimals):,.{max(0, decimals)}f}".replace("-", MINUS)


def whole(value: float | None) -> str:
    """An integer with thousands separated."""
    return NONE if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share in percent."""
    return NONE if share is None or not math.isfinite(share) else f"{100 * share:.0f} %"


def plus_minus(error: float | None, decimals: int) -> str:
    """The error after its sign, or nothing."""
    return "" if error is None or not math.isfinite(error) else f"± {error:.{decimals}f}"


def listing(items: Sequence[str], most: int = 6) -> str:
    """'a, b and c', shortened after `most`."""
    items = list(items)
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def shorten(name: str, most: int) -> str:
    """A name of at most `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def count(n: int, noun: str) -> str:
    """'1 row', '2 rows'."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
