"""Loops over scenarios must come out as vector instructions: as scalar ones a sweep takes four times as long.

The kernels are compiled anew here, since Numba shows no assembly of what it took from its cache.
"""

from __future__ import annotations

import platform
import re
from typing import Any

import numba
import numpy as np
import pytest

from flowtime_kernels import elementwise, lanes
from flowtime_kernels import opcodes as op

# Packed double arithmetic on registers of at least two doubles: x86 with AVX, and 64-bit Arm.
PACKED = {
    "x86_64": re.compile(r"\bv(?:add|sub|mul|div|min|max|cmp\w*)pd\b.*%[yz]mm"),
    "amd64": re.compile(r"\bv(?:add|sub|mul|div|min|max|cmp\w*)pd\b.*%[yz]mm"),
    "aarch64": re.compile(r"\bf(?:add|sub|mul|div|cm\w+)\s+v\d+\.2d"),
    "arm64": re.compile(r"\bf(?:add|sub|mul|div|cm\w+)\s+v\d+\.2d"),
}
MACHINE = platform.machine().lower()
ROW = np.uint64(0)


def packed_instructions(kernel: Any, *arguments: object) -> int:
    """How many packed instructions a kernel has when it is compiled for this machine."""
    compiled = numba.njit(nogil=True, error_model="numpy")(kernel.py_func)
    compiled(*arguments)
    (text,) = compiled.inspect_asm().values()
    return sum(1 for line in text.splitlines() if PACKED[MACHINE].search(line))


@pytest.mark.skipif(MACHINE not in PACKED, reason="vector instructions are known here for x86-64 and 64-bit Arm only")
@pytest.mark.parametrize(
    ("kernel", "arguments", "least"),
    [
        pytest.param(lanes._line, (np.zeros(384), *[np.uint64(64 * i) for i in range(4)]), 8, id="line"),
        pytest.param(lanes._line_within, (np.zeros(384), ROW, 1.0, np.uint64(64), np.uint64(128)), 8, id="line within"),
        pytest.param(lanes._serve, (np.zeros(512), *[np.uint64(64 * i) for i in range(6)]), 8, id="serve"),
        pytest.param(lanes._queue, (np.zeros(384), *[np.uint64(64 * i) for i in range(4)]), 4, id="queue"),
        pytest.param(elementwise._arithmetic_row, (op.ADD, np.zeros(12), ROW, np.uint64(4), np.uint64(8), np.uint64(4)),
                     4, id="arithmetic"),
    ],
)  # fmt: skip
def test_lanes_are_vectors(kernel: Any, arguments: tuple[object, ...], least: int) -> None:
    assert packed_instructions(kernel, *arguments) >= least
