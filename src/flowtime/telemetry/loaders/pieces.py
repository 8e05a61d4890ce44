"""Text files of any length, plain or gzipped, a piece of whole lines at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from flowtime.telemetry.loaders.base import ByteStream, ImportOptions, SourceError

__all__ = ["read_pieces"]

_LONGEST_LINE: Final = 64 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def read_pieces(source: Path, options: ImportOptions) -> Iterator[bytes]:
    """Yield a file, or the stream of the options, in pieces of about ``piece_bytes``.

    They end with a line feed, and are without the byte order mark.

    Raises SourceError ``telemetry.source_not_found``, and ``telemetry.source_format`` for what is no text.
    """
    try:
        if options.stream is not None:
            yield from _whole_lines(options.stream, source, options.piece_bytes)
            return
        with source.open("rb") as raw:
            yield from _with_progress(raw, source, options)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SourceError("telemetry.source_not_found", f"there is no file {source.name!r}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _no_text(source, f"not gzip, or cut short: {error}") from error
    except OSError as error:
        raise _no_text(source, f"it can not be read: {error.strerror}") from error


def _with_progress(raw: IO[bytes], source: Path, options: ImportOptions) -> Iterator[bytes]:
    size = source.stat().st_size
    file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if source.suffix.lower() == ".gz" else raw
    for piece in _whole_lines(file, source, options.piece_bytes):
        yield piece
        if options.progress is not None:
            options.progress("reading", raw.tell(), size)


def _whole_lines(file: ByteStream, source: Path, piece_bytes: int) -> Iterator[bytes]:
    rest = file.read(len(_BOM))
    if rest.startswith(_UTF_16):
        raise _no_text(source, "it is UTF-16: save it as UTF-8")
    if rest.startswith(_GZIP):
        raise _no_text(source, "it is gzip: unpack it, or give a file a name that ends in .gz")
    rest = rest.removeprefix(_BOM)
    while read := file.read(piece_bytes):
        whole, feed, rest = (rest + read).rpartition(b"\n")
        if feed:
            yield whole + feed
        if len(rest) > _LONGEST_LINE:
            raise _no_text(source, f"a line is longer than {_LONGEST_LINE:,} bytes")
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _no_text(source: Path, message: str) -> SourceError:
    return SourceError("telemetry.source_format", message, file=source.name)
