"""What commands print: tables (rich on a terminal, plain text elsewhere), JSON, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path, PurePath
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = [
    "announce_compilation",
    "count",
    "prepare_kernels",
    "print_fields",
    "print_json",
    "print_table",
    "progress",
    "sparkline",
    "use_kernels",
]

BARS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"
BAR_AFTER_S = 0.5


def announce_compilation(root: Path | None = None, *, families: Collection[str] = ()) -> None:
    """Say on stderr that kernels will be compiled, where they are not on disk yet: it is a wait of some seconds.

    Those of the engine, and of the ``families`` beside it.
    """
    from flowtime.engine import kernel_cache

    found = kernel_cache.info(root)
    if not found.is_warm or not set(families) <= set(found.families):
        _say_that_it_compiles()


def use_kernels(root: Path | None = None) -> None:
    """Keep all kernels of this command below ``root`` (none: the user's cache), and say so before any are compiled.

    For commands whose answer decides which kernels they need; none is loaded here.
    """
    from flowtime.engine.kernel_cache import kernels_in

    # A command that needs two kinds of kernels says it once.
    click.get_current_context().with_resource(kernels_in(root, cache(_say_that_it_compiles)))


def _say_that_it_compiles() -> None:
    click.echo("compiling the kernels, once for each version: this takes some seconds", err=True)


def prepare_kernels(root: Path | None = None) -> None:
    """Load the kernels from ``root`` (none: the user's cache), saying so where they have to be compiled first."""
    from flowtime.engine import kernel_cache

    announce_compilation(root)
    kernel_cache.load_kernels(root)


def count(number: int, noun: str) -> str:
    """Return ``1 error`` or ``2 errors``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def print_json(value: object) -> None:
    """Print a struct, dataclass or plain data to stdout as indented JSON; NaN and infinity are null."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=_plain, order="deterministic")
    click.echo(msgspec.json.format(encoded, indent=2))


def print_fields(fields: Mapping[str, object], *, as_json: bool) -> None:
    """Print named values: JSON, or a line ``name: value`` each."""
    if as_json:
        print_json(fields)
        return
    width = max(map(len, fields)) + 1
    click.echo("\n".join(f"{name + ':':{width}} {value}" for name, value in fields.items()))


def _plain(value: object) -> str:
    """Encode what msgspec does not know: a path as it is written; anything else is a defect."""
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, droppable: Sequence[str] = ()
) -> None:
    """Print rows of text to stdout; the first column to the left, the others to the right.

    A terminal that is too narrow loses ``droppable`` columns, in that order; files and pipes get all.
    """
    if not sys.stdout.isatty():
        click.echo(_plain_table(title, columns, rows))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    kept = _fitting(columns, rows, droppable, console.width)
    # Two characters between columns, as in `_fitting`: one of padding, one that the box draws.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for index in kept:
        table.add_column(columns[index], justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        # Text and not str: rich would read an id in square brackets as markup.
        table.add_row(*(Text(row[index]) for index in kept))
    console.print(Text(title, style="bold"), table, sep="\n")


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], droppable: Sequence[str], width: int) -> list[int]:
    """Return the indices of the columns that fit into ``width`` characters, two between each."""
    widths = _widths(columns, rows)
    kept = list(range(len(columns)))
    for name in droppable:
        if sum(widths[index] + 2 for index in kept) - 2 <= width:
            break
        kept.remove(columns.index(name))
    return kept


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]


def _plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Render a table without frames or colors, for files, pipes and logs."""
    widths = _widths(columns, rows)
    lines = [title]
    for row in (columns, *rows):
        first, *others = (
            f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


def sparkline(values: Sequence[float | None]) -> str:
    """Draw numbers >= 0 as bars from 0 to the largest; None is a dot.

    Empty where stdout can not print the bars.
    """
    known = [value for value in values if value is not None]
    top = max(known, default=0.0)
    bars = [UNKNOWN if value is None else BARS[_level(value, top)] for value in values]
    try:
        (BARS + UNKNOWN).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return "".join(bars)


def _level(value: float, top: float) -> int:
    if top <= 0.0:
        return 0
    return min(len(BARS) - 1, max(0, int(value / top * len(BARS))))


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a function ``(step, done, total)`` that moves a bar on stderr; None where stderr is no terminal.

    The bar appears after half a second: short work should not flicker, nor wait for rich to load.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with ExitStack() as stack:
        yield _LateBar(stack)


class _LateBar:
    """A progress bar that starts when the work turns out to be long."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._begin = monotonic()
        self._bar: Progress | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` parts of a step are done."""
        if self._bar is None:
            if monotonic() - self._begin < BAR_AFTER_S:
                return
            from rich.console import Console
            from rich.progress import Progress

            self._bar = self._stack.enter_context(Progress(console=Console(stderr=True), transient=True))
            self._bar.add_task("")
        self._bar.update(self._bar.task_ids[0], description=step, completed=done, total=total)
