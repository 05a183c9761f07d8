"""A folder of images of one size as one array: grey of 8 or 16 bits, colour of 8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.own.files import IMAGES, images
from bench.datasets.own.raw import Array, Raw, unreadable
from bench.declared import shown
from bench.errors import BenchError, MissingError

#: Pillow's mode -> levels, of the modes that are read as they are
LEVELS = {"1": 2, "L": 256, "RGB": 256, "I;16": 65536, "I;16B": 65536, "I;16L": 65536}


def points(folder: Path, labelled: bool) -> Raw:
    """The images of a folder in the order of their paths, [N, H, W] or [N, H, W, 3].

    Labels, where wanted, are the names of the folders right below that the images lie in. As
    stored: no rotation that a tag asks for, no colour profile. Raises BenchError for images of two
    sizes or modes, naming two files.
    """
    files = images(folder)
    first, mode = _open(files[0]) if files else (None, "")
    if first is None:
        raise BenchError(f"{shown(folder)} holds no image: {', '.join(IMAGES)} are looked for")
    stack = np.empty((len(files), *first.shape), first.dtype)
    for i, file in enumerate(files):
        one, other = _open(file)
        if (one.shape, other) != (first.shape, mode):
            raise BenchError(
                f"{shown(files[0])} is {_size(first, mode)} and {shown(file)} {_size(one, other)}: "
                "make all images of one size and mode first"
            )
        stack[i] = one
    labels = [f.relative_to(folder).parts[0] for f in files] if labelled else None
    if labelled and any(f.parent == folder for f in files):
        raise BenchError(
            f"{shown(folder)} holds images outside of the folders that name their classes: move "
            "them into one"
        )
    return Raw(stack, labels=None if labels is None else np.array(labels))


def levels(folder: Path) -> int:
    """Levels of the first image of a folder: 2, 256 or 65536."""
    return LEVELS[_open(images(folder)[0])[1]]


def _open(file: Path) -> tuple[Array, str]:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingError(
            f"the image {file.name} is read with pillow. Install it: pip install pillow"
        ) from error
    failures = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
    try:
        with Image.open(file) as opened:
            image: Any = opened
            if opened.mode == "P" and "transparency" not in opened.info:
                image = opened.convert("RGB")  # a palette names colours: nothing is lost
            if (odd := _unread(opened)) is not None:
                raise BenchError(f"{shown(file)} has {odd}: convert it first")
            mode = "I;16" if _wide_grey(image) else image.mode
            made = np.array(image)
    except failures as error:
        raise unreadable(file, "image", error) from error
    if mode not in LEVELS:
        raise BenchError(
            f"{shown(file)} is an image of mode {mode}: convert it to grey (8 or 16 bits) or RGB "
            "first"
        )
    return (made.astype(np.uint16) if LEVELS[mode] == 65536 else made.astype(np.uint8)), mode


def _unread(image: Any) -> str | None:
    """What Pillow would leave out of an image without a word."""
    if getattr(image, "n_frames", 1) > 1:
        return f"{image.n_frames} frames"
    if image.mode == "RGB" and any(";16" in str(tile) for tile in image.tile):
        return "16 bits a channel"
    return None


def _wide_grey(image: Any) -> bool:
    """PGM files of 16 bits, and PNG files in older versions of Pillow, come in 32 bits."""
    if image.mode != "I" or image.format not in ("PNG", "PPM"):
        return False
    low, high = image.getextrema()
    return low >= 0 and high < 65536


def _size(image: Array, mode: str) -> str:
    return f"{image.shape[0]} x {image.shape[1]} pixels of mode {mode}"
