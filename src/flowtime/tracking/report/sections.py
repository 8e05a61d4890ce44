"""Reports as sections, each facts or a table, and how they are written: as plain text or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Section", "markdown_text", "plain_lines", "plain_text"]


class Section(NamedTuple):
    """A table with a title; one without ``columns`` is a list of facts, each row a name and what it is.

    ``more`` is how many rows were left out.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    more: int = 0


def plain_text(sections: Iterable[Section]) -> str:
    """Return sections as text for a terminal or a file."""
    return "".join(f"{line}\n" for line in plain_lines(sections))


def plain_lines(sections: Iterable[Section]) -> list[str]:
    """Return sections as lines, with an empty one between two of them; the first stands even without rows."""
    lines: list[str] = []
    for section in sections:
        if section.rows or not lines:
            lines += ["", *_plain(section)]
    return lines[1:]


def markdown_text(sections: Iterable[Section]) -> str:
    """Return sections as Markdown: the title of the first one is that of the page."""
    blocks: list[str] = []
    for section in sections:
        if section.rows or not blocks:
            level = "#" if not blocks else "##"
            blocks.append("\n".join([f"{level} {_escaped(section.title)}", "", *_markdown(section)]))
    return "\n\n".join(block.rstrip() for block in blocks) + "\n"


def _plain(section: Section) -> list[str]:
    if not section.columns:
        width = max((len(row[0]) for row in section.rows), default=0) + 1
        return [section.title, *(f"{row[0] + ':':{width}} {row[1]}" for row in section.rows)]
    widths = [max(map(len, cells)) for cells in zip(section.columns, *section.rows, strict=True)]
    lines = [section.title]
    for row in (section.columns, *section.rows):
        cells = [
            f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return [*lines, *_left_out(section)]


def _markdown(section: Section) -> list[str]:
    if not section.columns:
        return [f"- {_escaped(row[0])}: {_escaped(row[1])}" for row in section.rows]
    rule = ["---", *["---:"] * (len(section.columns) - 1)]
    rows = [section.columns, rule, *(tuple(map(_escaped, row)) for row in section.rows)]
    more = _left_out(section)
    return [*(f"| {' | '.join(row)} |" for row in rows), *([""] if more else []), *more]


def _left_out(section: Section) -> list[str]:
    return [f"and {section.more:,} more; --json has them all"] if section.more else []


def _escaped(cell: str) -> str:
    """Keep a text in its cell, and from being markup."""
    for mark in ("\\", "|", "`", "*", "_", "<"):
        cell = cell.replace(mark, "\\" + mark)
    return cell.replace("\n", " ")
