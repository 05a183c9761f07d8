"""Files of sound data sets."""

from __future__ import annotations

from bench.datasets.fetch.files import Archive, File

LICENCE = "CC BY-SA 4.0"

#: Nobody states a digest of this archive. It is what `git archive | gzip -cn` makes of the tag,
#: which makes of the tag before, 1.0.9, the very bytes that TensorFlow Datasets has pinned.
SPOKEN_DIGITS = Archive(
    File(
        "fsdd",
        "free-spoken-digit-dataset-1.0.10.tar.gz",
        15602882,
        "feb479fad3a37883c3d21ed7f982281c2dd1c18d5aefd7e8a5d50f58023392aa",
        LICENCE,
        urls=("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.10.tar.gz",),
    ),
    members="free-spoken-digit-dataset-1.0.10/recordings/{name}",
    expanded=23459840,
    count=3016,
)
SPOKEN_DIGITS_SAMPLE = Archive(
    File(
        "fsdd",
        "fsdd-index-0-9.tar.xz",
        2715796,
        "6a81ab6dfbbab17087a771e800d0c80b5b6a516e77150eaacc09181abfec8d58",
        LICENCE,
        note="sample",
    ),
    members="recordings/{name}",
    expanded=4679680,
    count=600,
)

#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    "spoken-digits": (SPOKEN_DIGITS.file,),
    "spoken-digits-sample": (SPOKEN_DIGITS_SAMPLE.file,),
}
