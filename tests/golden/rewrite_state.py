"""Write the expected answers about runs of the shipped templates anew:

    python tests/golden/rewrite_state.py

Do so only for a change of meaning, and read the diff.  ``state.json`` is a bin of the worst hour, ``window.json`` the
whole run at 24 points and, bin by bin, twelve bins.  Hashes are left out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from flowtime.state import OpenRun, encode_answer, read_state, read_window
from flowtime.state.documents import Answer

__all__ = ["ANSWERS", "FOLDER", "TEMPLATES", "answers", "as_text", "look", "rewrite"]

FOLDER: Final = Path(__file__).parent / "state"
TEMPLATES: Final = ("order-system", "microservices", "http-service")
ANSWERS: Final = ("state", "window", "stretch")
_BINS: Final = {"order-system": 140, "microservices": 66, "http-service": 44}
_POINTS: Final = 24
_STRETCH: Final = 12


def answers(template_id: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The answers about a run of a template, which is written below ``folder``."""
    # Here, since this file is also run as a script, which does not know of the helpers of the tests.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from statefakes import written_template

    return look(written_template(folder, template_id), template_id)


def look(run: OpenRun, template_id: str) -> dict[str, dict[str, Any]]:
    """The answers about a run of a template, or a replay of one."""
    bin_index = _BINS[template_id]
    return {
        "state": _plain(read_state(run, bin_index)),
        "window": _plain(read_window(run, resolution=_POINTS)),
        "stretch": _plain(read_window(run, bin_index, bin_index + _STRETCH - 1, mode="full")),
    }


def as_text(answer: dict[str, Any]) -> str:
    """The file: indented, a list of numbers on one line."""
    return _indented(answer, "") + "\n"


def rewrite() -> None:
    """Write the answers of every template."""
    for template_id in TEMPLATES:
        with tempfile.TemporaryDirectory() as folder:
            made = answers(template_id, Path(folder))
        for name, answer in made.items():
            path = FOLDER / template_id / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_text(answer), encoding="utf-8", newline="\n")
        sys.stdout.write(f"{template_id}\n")


def _plain(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode_answer(answer))
    # Those of the text of a template, which says nothing of what an answer should be.
    del found["metadata"]["provenanceHash"], found["metadata"]["inputHash"], found["metadata"]["schema"]["hash"]
    return found


def _indented(value: Any, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = (f"{deeper}{json.dumps(key)}: {_indented(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(deeper + _indented(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    rewrite()
