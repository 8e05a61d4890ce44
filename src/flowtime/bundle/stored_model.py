"""The model of a run as it was evaluated, read back."""

from __future__ import annotations

from flowtime.bundle.compose import grid_entry
from flowtime.bundle.layout import MODEL, RUN
from flowtime.bundle.reader import Bundle
from flowtime.errors import ModelError, RunCorruptError
from flowtime.model import Model, parse_model

__all__ = ["stored_model"]


def stored_model(bundle: Bundle) -> Model:
    """Return the model of a run.

    Raises RunCorruptError where it can not be read, or has another grid than the run: it was sound when the run was
    written, so what is wrong with it now is not the author's fault.
    """
    try:
        model = parse_model(bundle.model_text, file=MODEL)
    except (ModelError, UnicodeDecodeError) as error:
        reason = str(error.faults[0]) if isinstance(error, ModelError) else "it is no UTF-8"
        raise RunCorruptError(f"{MODEL} is no longer the model of the run: {reason}") from error
    if grid_entry(model.spec) != bundle.run.grid:
        raise RunCorruptError(f"{MODEL} is no longer the model of the run: its grid is not that of {RUN}")
    return model
