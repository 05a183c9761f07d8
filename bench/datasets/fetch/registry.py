"""Which files each data set is read from."""

from __future__ import annotations

from bench.datasets.fetch import (
    binary_files,
    colour_files,
    image_files,
    sound_files,
    table_files,
)
from bench.datasets.fetch.files import File

#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    **image_files.SETS,
    **colour_files.SETS,
    **binary_files.SETS,
    **table_files.SETS,
    **sound_files.SETS,
}
