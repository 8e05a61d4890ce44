"""The compiled core: NumPy arrays in, NumPy arrays out, and nothing but numbers in between.

``opcodes`` and ``table`` say how a plan is written down and need no Numba; ``entry`` holds the kernels.
"""

from __future__ import annotations

__all__ = ["entry", "opcodes", "table"]
