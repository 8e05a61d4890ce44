"""What is wrong in one expression, and where in its text."""

from __future__ import annotations

from flowtime.errors import FlowtimeError

__all__ = ["ExpressionFault"]


class ExpressionFault(FlowtimeError):
    """A text that is not an expression; ``offset`` counts characters from 0, at most the length of the text.

    ``model.check`` turns it into a ``Fault`` with the file, line and column of the model.
    """

    code = "expression.invalid"

    def __init__(self, code: str, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.offset = offset

    def __reduce__(self) -> tuple[type[ExpressionFault], tuple[str, str, int, str | None]]:
        """Pickle by what the fault was made from, since the base class would hand on its message alone."""
        return type(self), (self.code, self.message, self.offset, self.hint)
