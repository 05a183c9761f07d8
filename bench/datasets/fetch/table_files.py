"""Files of tables data sets."""

from __future__ import annotations

from bench.datasets.fetch.files import File

#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {}
