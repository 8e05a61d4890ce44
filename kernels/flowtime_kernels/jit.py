"""The one way a kernel is compiled.

Compiled on first use, kept on disk, without the GIL; division follows IEEE 754.  No ``fastmath`` and
no ``parallel``: the numbers of a result must not depend on vector width or thread count, to the last bit.
(The bit pattern of a NaN may; whoever writes or hashes a result makes all NaNs one.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["njit"]

F = TypeVar("F", bound=Callable[..., Any])


def njit(function: F) -> F:
    """Return `function` as a lazily compiled, disk-cached, GIL-free kernel."""
    # _nrt=False leaves out reference counts: kernels allocate nothing, and an atomic count per array and
    # call made a short row three times as slow.  forceinline keeps the small functions free of calls.
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": True, "_nrt": False}
    compiled: F = numba.njit(**options)(function)
    return compiled
