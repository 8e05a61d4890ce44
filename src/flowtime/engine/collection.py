"""The collector of cyclic garbage, kept out of the way of work that makes many small objects and no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Put off the collection of cyclic garbage in the whole process for as long as the block runs.

    Whenever the objects of a process have grown by a quarter, Python looks through all of them; that takes
    longer than a compile, whose objects all stay.  Where the collector is off already it stays off, also
    where two threads pause it at once: the one that found it on turns it on again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
