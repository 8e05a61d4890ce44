"""Write the expected results of the golden models anew:

    python tests/golden/rewrite.py

Do so only for a change of meaning, and read the diff: each line of ``expected.json`` is one series or metric, with the
shortest digits that read back to the same float64, and null for NaN.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowtime.engine import compile_model
from flowtime.model import load_model

__all__ = ["FOLDERS", "results", "rewrite"]

FOLDERS = tuple(sorted(path.parent for path in Path(__file__).parent.glob("*/model.yaml")))


def results(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Every series, then every metric as ``node.metric``, of the model in a folder."""
    result = compile_model(load_model(folder / "model.yaml")).evaluate()
    metrics = {f"{node}.{name}": values for node, own in result.metrics.items() for name, values in own.items()}
    return {**result, **metrics}


def as_text(rows: Mapping[str, NDArray[np.float64]]) -> str:
    """The file: one line a series."""
    lines = (
        f"  {json.dumps(name)}: {json.dumps([None if np.isnan(value) else value for value in values.tolist()])}"
        for name, values in rows.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def rewrite() -> None:
    """Write ``expected.json`` beside every model."""
    for folder in FOLDERS:
        (folder / "expected.json").write_text(as_text(results(folder)), encoding="utf-8", newline="\n")
        sys.stdout.write(f"{folder.name}\n")


if __name__ == "__main__":
    rewrite()
