"""What the checks of a model share: its names, its places, and the faults found so far."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from flowtime.errors import Fault
from flowtime.model.naming import ALL_CLASSES, Synthesized, resolve_reference, split_reference
from flowtime.model.place import Places
from flowtime.model.spec import ModelSpec

__all__ = ["Report"]

# A hundred wrong references in a large model mean one thing; looking for a like name takes milliseconds each.
_MOST_LIKE_NAMES = 20


@dataclass
class Report:
    """The faults of one model, and the lookups that several checks need."""

    spec: ModelSpec
    names: Synthesized
    places: Places
    faults: list[Fault] = field(default_factory=list)
    _likes: int = 0

    def add(self, code: str, message: str, path: str, hint: str | None = None, offset: int = 0) -> None:
        """Add the fault ``model.<code>`` at a JSON path."""
        self.faults.append(self.places.fault(f"model.{code}", message, path, hint=hint, offset=offset))

    def like(self, name: str, known: Iterable[str]) -> str | None:
        """Return the hint that names what was meant, if something is like it."""
        self._likes += 1
        if self._likes > _MOST_LIKE_NAMES:
            return None
        candidates = {candidate.lower(): candidate for candidate in known}
        close = difflib.get_close_matches(name.lower(), candidates, n=1)
        return f"did you mean {candidates[close[0]]!r}?" if close else None

    def unknown_series(self, name: str, path: str, *, offset: int = 0, hint: str | None = None) -> None:
        """Add the fault that no series has that name."""
        hint = hint or self.like(name, self.names.names)
        self.add("unknown_series", f"no series is called {name!r}", path, hint, offset)

    def check_reference(
        self, text: str | None, path: str, own_queue: str | None = None, *, files: bool = False
    ) -> None:
        """Check that a reference means a series (or, if ``files``, a file); None is no reference."""
        if text is None:
            return
        found = resolve_reference(text, self.names, own_queue)
        parts = split_reference(text)
        if parts.file is not None:
            if not files or not parts.file:
                message = "a file can not be used here" if parts.file else "the reference names no file"
                self.add("bad_reference", message, path, "use the id of a series")
            return
        if found is None:
            self._unknown(parts.id or "", path)
        self.check_class(parts.class_id, path)

    def _unknown(self, name: str, path: str) -> None:
        if name == "self":
            hint = "self is the queue of a topology node of kind serviceWithBuffer, queue or dlq"
            self.add("unknown_series", "this node has no queue of its own", path, hint)
        else:
            self.unknown_series(name, path)

    def check_class(self, class_id: str | None, path: str) -> None:
        """Check that a class is declared, where the model declares any."""
        if class_id is None or class_id in ALL_CLASSES or self.spec.classes is None:
            return
        known = [declared.id for declared in self.spec.classes]
        if class_id not in known:
            hint = self.like(class_id, known) or f"the classes are {', '.join(known)}"
            self.add("unknown_class", f"no class is called {class_id!r}", path, hint)

    def check_unique(self, ids: Iterable[str | None], path: str, noun: str) -> None:
        """Check that the ids of ``path[i].id`` differ."""
        first: dict[str, int] = {}
        for index, name in enumerate(ids):
            if name is None:
                continue
            if name in first:
                line, _ = self.places.position(f"{path}[{first[name]}].id")
                message = f"the {noun} id {name!r} is used twice, first in line {line}"
                self.add("duplicate_id", message, f"{path}[{index}].id")
            else:
                first[name] = index

    def check_known(self, name: str, known: Collection[str], path: str, noun: str) -> bool:
        """Check that ``name`` is one of ``known`` things of the kind ``noun``, and return whether it is."""
        if name in known:
            return True
        hint = self.like(name, known)
        self.add(f"unknown_{noun.replace(' ', '_')}", f"no {noun} is called {name!r}", path, hint)
        return False
