"""What a person states about a file; the rest is looked for, or asked for in one sentence."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

from bench.datasets.own.schema import PARTS, Split
from bench.errors import UsageError

SHARES = {2: [0.9, 0.1], 3: [0.8, 0.1, 0.1]}  #: of the parts that one file is split into


@dataclass(frozen=True)
class Stated:
    """The options of `bench data add`; None, or empty, where nothing is stated."""

    source_file: str  #: path or address
    test: str | None = None
    valid: str | None = None
    format: str | None = None
    kind: str | None = None
    levels: int | None = None
    reduce_from: int | None = None
    shape: tuple[int, ...] = ()
    channels: str | None = None
    rows: str | None = None
    window: int | None = None
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    header: bool | None = None
    delimiter: str | None = None
    mark: tuple[str, ...] = ()
    missing: str | None = None
    split: str | None = None
    fractions: tuple[float, ...] = ()
    sha256: tuple[str, ...] = ()
    source: str | None = None
    licence: str | None = None
    citation: str | None = None

    def command(self, name: str) -> str:
        """The command line that states the same."""
        words = ["bench", "data", "add", name, self.source_file]
        for each in fields(self)[1:]:
            value, option = getattr(self, each.name), f"--{each.name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(option if value else f"--no-{each.name}")
            elif value not in (None, ()):
                listed = value if isinstance(value, tuple) else (value,)
                words += [option, ",".join(map(str, listed))]
        return shlex.join(words)

    def rule(self, cut: Sequence[str], series: bool) -> Split:
        """The split of the parts that one file is cut into, by default at random with seed 0.

        Windows of a `series` stay in their order: neighbours are alike. Raises UsageError.
        """
        named, _, seed = (self.split or ("order" if series else "random")).partition(":")
        if len(cut) == 1 or named == "files":
            return self._files(cut, named)
        if named not in ("random", "order", "stride") or (seed and named != "random"):
            raise UsageError(
                f"--split {self.split}: expected random:SEED, order, stride or files, such as "
                "random:0"
            )
        if named == "random" and not (seed or "0").isdecimal():
            raise UsageError(f"--split {self.split}: the seed is a whole number, as in random:0")
        shares = list(self.fractions) or SHARES[len(cut)]
        total = sum(Fraction(str(f)) for f in shares)
        if len(shares) != len(cut) or total != 1 or min(shares) <= 0:
            raise UsageError(
                f"--fractions: expected {len(cut)} that add up to 1, for {', '.join(cut)}: such as "
                f"{','.join(map(str, SHARES[len(cut)]))}"
            )
        return Split(
            rule=named,
            seed=int(seed or 0) if named == "random" else None,
            fractions=shares,
        )

    def _files(self, cut: Sequence[str], named: str) -> Split:
        if len(cut) > 1:
            raise UsageError(
                "--split files takes a file, or a key, for each of train, validation and test: "
                f"{', '.join(cut)} come from one; state --test and --valid"
            )
        if (self.split and named != "files") or self.fractions:
            raise UsageError(
                f"{', '.join(PARTS)} have a file each, so there is nothing for --split and "
                "--fractions to say"
            )
        return Split(rule="files")
