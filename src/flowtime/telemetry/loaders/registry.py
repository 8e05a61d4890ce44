"""The loaders there are: which source each reads, and where it is.  A new one is one more line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from flowtime.telemetry.loaders.base import Loader, SourceError

__all__ = ["LOADERS", "LoaderEntry", "find_loader"]


class LoaderEntry(NamedTuple):
    """Where a loader is (``module:function``, loaded when it is wanted) and the files it takes unasked."""

    place: str
    suffixes: tuple[str, ...]


LOADERS: Final[Mapping[str, LoaderEntry]] = MappingProxyType(
    {
        "csv": LoaderEntry("flowtime.telemetry.loaders.csv_rows:load", (".csv", ".csv.gz", ".tsv", ".tsv.gz")),
        "parquet": LoaderEntry("flowtime.telemetry.loaders.parquet_rows:load", (".parquet", ".pq")),
        "otel": LoaderEntry("flowtime.telemetry.loaders.otel:load", (".jsonl", ".jsonl.gz", ".ndjson", ".json")),
    }
)
"""By name, which is what ``--loader`` takes."""


def find_loader(source: Path, name: str | None = None) -> tuple[str, Loader]:
    """Return the name and the loader of a source: the named one, or the one for its suffix.

    Raises SourceError ``telemetry.source_format``.
    """
    chosen = name if name is not None else _by_suffix(source.name.lower())
    if chosen not in LOADERS:
        raise SourceError(
            "telemetry.source_format",
            f"{source.name!r} is no kind of file that is known" if name is None else f"there is no loader {name!r}",
            hint=f"loaders are {', '.join(LOADERS)}; name one with --loader",
        )
    module, _, function = LOADERS[chosen].place.partition(":")
    loader: Loader = getattr(import_module(module), function)
    return chosen, loader


def _by_suffix(name: str) -> str:
    return next((key for key, entry in LOADERS.items() if name.endswith(entry.suffixes)), "")
