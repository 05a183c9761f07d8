"""The recordings of the Free Spoken Digit Dataset, out of its archive, in mu-law levels."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.datasets.fetch import Archive, unpack
from bench.datasets.fetch.download import Refused
from bench.errors import BenchError

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
RATE = 8000  #: samples a second
LEVELS = 256


@dataclass(frozen=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    index: int  #: 0..49 of the speaker's recordings of this digit
    levels: NDArray[np.uint8]  #: one for each sample, [length]


def recordings(archive: Archive, held: Path, indices: Iterable[int]) -> list[Recording]:
    """Every digit of every speaker with these indices, from the archive at `held`.

    In the order of digit, speaker and index, whatever that of the archive. Raises BenchError for
    an archive that lacks one, or a recording that is not 8 kHz, mono and 16 bit.
    """
    labels = {
        archive.members.format(name=f"{digit}_{speaker}_{index}.wav"): (digit, speaker, index)
        for digit in range(10)
        for speaker in SPEAKERS
        for index in indices
    }
    read = {}
    try:
        for name, stream in unpack.members(archive, held, dict.fromkeys(labels)):
            read[name] = mu_law(samples(stream, name))
    except Refused as refused:
        raise BenchError(f"{held} {refused}") from refused
    return [Recording(*label, read[name]) for name, label in labels.items()]


def samples(stream: IO[bytes], name: str) -> NDArray[np.int16]:
    """The samples [length] of a wav file of 8 kHz, mono, 16 bit; BenchError for any other."""
    try:
        with wave.open(stream) as sound:
            form = sound.getnchannels(), 8 * sound.getsampwidth(), sound.getframerate()
            frames, body = sound.getnframes(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise BenchError(f"{name} is no wav file that can be read ({error})") from error
    if form != (1, 16, RATE):
        channels, bits, rate = form
        raise BenchError(
            f"{name} has {channels} channels of {bits} bits at {rate} Hz, not 1 of 16 at {RATE}"
        )
    if len(body) != 2 * frames:
        raise BenchError(f"{name} has {len(body)} bytes of {frames} samples of 2 bytes")
    return np.frombuffer(body, "<i2")


def mu_law(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Levels 0..255 of samples: floor((q + 1) / 2 * 256), q = sgn s ln(1 + 255 |s|) / ln 256.

    s is a sample / 2^15: the mu-law of ITU-T G.711 as WaveNet has it (arXiv 1609.03499, 2.2).
    """
    s = samples / 2.0**15
    q = np.sign(s) * np.log1p((LEVELS - 1) * np.abs(s)) / np.log(LEVELS)
    return np.floor((q + 1) / 2 * LEVELS).astype(np.uint8)


def windows(sounds: Iterable[Recording], length: int) -> tuple[Tensor, Tensor]:
    """Windows on end from the first sample of each recording, uint8 [N, length]; digits, int64 [N].

    What remains of a recording, less than a window, is left out.
    """
    parts, labels = [], []
    for sound in sounds:
        count = len(sound.levels) // length
        parts.append(sound.levels[: count * length].reshape(count, length))
        labels += [sound.digit] * count
    return torch.from_numpy(np.concatenate(parts)), torch.tensor(labels)
