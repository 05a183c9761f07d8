"""What a compiled kernel for NVIDIA GPUs consists of, read by the tools in triton's wheel."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

#: an instruction: its address in a comment, perhaps a predicate, its name
INSTRUCTION = re.compile(
    r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z]\w*)", re.MULTILINE
)
USAGE = re.compile(r"\bREG:(\d+) STACK:(\d+)")


@dataclass(frozen=True)
class Sass:
    """Per thread; the code as it is laid out, loops once."""

    registers: int
    stack: int  #: bytes
    opcodes: Counter[str]  #: instructions by name without suffix; padding left out

    @property
    def instructions(self) -> int:
        """All of them."""
        return sum(self.opcodes.values())


def read(cubin: bytes, tools: Path) -> Sass:
    """Registers, stack and instructions of a cubin of one kernel; `tools`: triton's nvidia/bin."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.cubin")
        file.write_bytes(cubin)
        usage = USAGE.search(_output(tools / "cuobjdump", "-res-usage", file))
        listing = _output(tools / "nvdisasm", "-c", file)
    opcodes = Counter(INSTRUCTION.findall(listing))
    del opcodes["NOP"]
    if usage is None or not opcodes:
        raise ValueError("cuobjdump and nvdisasm of this triton print another format")
    return Sass(int(usage[1]), int(usage[2]), opcodes)


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
