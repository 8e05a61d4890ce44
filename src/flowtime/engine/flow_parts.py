"""A flow as a whole and by class: the columns of the series of each part, so that one formula does for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["FlowPart", "flow_parts"]


class FlowPart(NamedTuple):
    """All flow (``class_id`` None), or what one class adds to it.

    ``columns`` maps a series to its column; that of a class holds only the series that have classes.
    """

    class_id: str | None
    columns: Mapping[str, int]

    @property
    def suffix(self) -> str:
        """What follows the name of a series or metric to mean this part of it."""
        return "" if self.class_id is None else f"@{self.class_id}"


def flow_parts(
    columns: Mapping[str, int], classes: Mapping[str, Sequence[int]], class_ids: Sequence[str], nothing: int
) -> tuple[FlowPart, ...]:
    """Return the whole and then each class, in the order of ``class_ids``.

    ``classes`` maps a series to the columns of its parts; ``nothing`` is the column of 0, which a series of
    one class (``name@class``) has for every other class.
    """
    single = {name: name.rpartition("@")[2] for name in columns if "@" in name}
    found = [FlowPart(None, columns)]
    for place, class_id in enumerate(class_ids):
        own = {name: columns[name] if part == class_id else nothing for name, part in single.items()}
        own.update((name, parts[place]) for name, parts in classes.items())
        found.append(FlowPart(class_id, own))
    return tuple(found)
