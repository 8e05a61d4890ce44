"""Pins: an empty file in the folder of a run that keeps it from being pruned or deleted."""

from __future__ import annotations

from pathlib import Path

from flowtime.errors import StorageError

__all__ = ["PIN_FILE", "is_pinned", "pin_run", "unpin_run"]

PIN_FILE = "pinned"


def is_pinned(folder: Path) -> bool:
    """Say whether a run is pinned."""
    return (folder / PIN_FILE).exists()


def pin_run(folder: Path) -> bool:
    """Pin a run; says whether it was not pinned before.  Raises StorageError."""
    try:
        (folder / PIN_FILE).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError(f"can not pin {folder.name}: {error.strerror}") from error
    return True


def unpin_run(folder: Path) -> bool:
    """Unpin a run; says whether it was pinned.  Raises StorageError."""
    try:
        (folder / PIN_FILE).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"can not unpin {folder.name}: {error.strerror}") from error
    return True
