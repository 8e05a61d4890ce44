"""A sheet of characters on which boxes and lines are drawn; lines that meet are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["ASCII", "Canvas"]

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
# By the directions in which lines leave a cell.
_LINES: Final = {
    _UP: "│",
    _DOWN: "│",
    _UP | _DOWN: "│",
    _LEFT: "─",
    _RIGHT: "─",
    _LEFT | _RIGHT: "─",
    _DOWN | _RIGHT: "┌",
    _DOWN | _LEFT: "┐",
    _UP | _RIGHT: "└",
    _UP | _LEFT: "┘",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _LEFT | _RIGHT: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}
_DOTTED: Final = {"│": "┊", "─": "┄"}
# For what can not print the others.
ASCII: Final = str.maketrans(
    {
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
        **dict.fromkeys("│", "|"),
        **dict.fromkeys("─", "-"),
        **dict.fromkeys("┊┄", ":"),
        "▼": "v",
        "↑": "^",
        "→": ">",
    }
)


class Canvas:
    """Characters by row and column, both from 0; what was painted last wins, and lines join."""

    def __init__(self) -> None:
        self._rows: list[dict[int, str]] = []
        self._directions: dict[tuple[int, int], int] = {}
        self._dotted: set[tuple[int, int]] = set()

    def lines(self) -> tuple[str, ...]:
        """Return the rows, without blanks at their ends."""
        for (row, column), directions in self._directions.items():
            line = _LINES[directions]
            self._put(row, column, _DOTTED.get(line, line) if (row, column) in self._dotted else line)
        return tuple(
            "".join(row.get(column, " ") for column in range(max(row, default=-1) + 1)).rstrip() for row in self._rows
        )

    def text(self, row: int, column: int, text: str) -> None:
        """Write a text."""
        for offset, character in enumerate(text):
            self._put(row, column + offset, character)

    def box(self, row: int, column: int, width: int, lines: Sequence[str], *, is_round: bool) -> None:
        """Draw a box of that width, borders included, around lines of text."""
        corners = "╭╮╰╯" if is_round else "┌┐└┘"
        across = "─" * (width - 2)
        self.text(row, column, corners[0] + across + corners[1])
        for offset, line in enumerate(lines, start=1):
            self.text(row + offset, column, f"│ {line:{width - 4}} │")
        self.text(row + len(lines) + 1, column, corners[2] + across + corners[3])

    def port(self, row: int, column: int) -> None:
        """Let a line leave the lower border of a box."""
        self._put(row, column, "┬")

    def head(self, row: int, column: int) -> None:
        """Draw the head of an arrow that points down."""
        self._put(row, column, "▼")

    def vertical(self, column: int, start: int, end: int, *, is_dotted: bool) -> None:
        """Draw a line down through the rows from ``start`` to before ``end``."""
        for row in range(start, end):
            self._join(row, column, _UP | _DOWN, is_dotted)

    def bend(self, start: int, end: int, rows: tuple[int, int, int], *, is_dotted: bool) -> None:
        """Draw a line from column ``start`` down, across to column ``end``, and down again.

        ``rows`` are the first one, the one of the turn, and the one after the last.
        """
        first, turn, after = rows
        self.vertical(start, first, turn, is_dotted=is_dotted)
        to_the_right = end > start
        self._join(turn, start, _UP | (_RIGHT if to_the_right else _LEFT), is_dotted)
        for column in range(min(start, end) + 1, max(start, end)):
            self._join(turn, column, _LEFT | _RIGHT, is_dotted)
        self._join(turn, end, _DOWN | (_LEFT if to_the_right else _RIGHT), is_dotted)
        self.vertical(end, turn + 1, after, is_dotted=is_dotted)

    def _join(self, row: int, column: int, directions: int, is_dotted: bool) -> None:
        cell = (row, column)
        # Where a dotted line crosses another one the cell shows the crossing.
        if is_dotted and cell not in self._directions:
            self._dotted.add(cell)
        elif not is_dotted:
            self._dotted.discard(cell)
        self._directions[cell] = self._directions.get(cell, 0) | directions

    def _put(self, row: int, column: int, character: str) -> None:
        while len(self._rows) <= row:
            self._rows.append({})
        self._rows[row][column] = character
