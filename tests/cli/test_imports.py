"""What may be loaded before a command does its work: a list, since a clock would depend on the host."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"litestar", "matplotlib", "msgspec", "numba", "numpy", "orjson", "pandas", "psutil", "pyarrow", "rich", "yaml"}
# `importlib.metadata` alone costs more than all commands together.
SLOW_STANDARD = {"asyncio", "email", "importlib.metadata", "multiprocessing", "sqlite3", "tomllib", "unittest"}


def loaded_after(program: str) -> set[str]:
    """Return the names of all modules that a fresh Python holds after a program."""
    report = "; import sys; print('\\n'.join(['', '--modules', *sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program + report], capture_output=True, text=True, check=True)
    return set(done.stdout.partition("--modules\n")[2].split())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["--version"], id="version"),
        pytest.param(["run", "--help"], id="help of a command"),
        pytest.param(["templates", "--help"], id="help of a group"),
        pytest.param(["nonsense"], id="usage error"),
    ],
)
def test_command_line_loads_click_and_the_standard_library_only(words: list[str]) -> None:
    loaded = loaded_after(f"from flowtime.cli import main; main({words!r})")
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"flowtime", "click"}
    assert not foreign & HEAVY
    assert not loaded & SLOW_STANDARD


def test_help_loads_every_command_module() -> None:
    loaded = loaded_after("from flowtime.cli import main; main(['--help'])")
    assert {"flowtime.cli.run", "flowtime.cli.validate", "flowtime.cli.templates"} <= loaded


def test_import_flowtime_is_light() -> None:
    assert not loaded_after("import flowtime") & {*HEAVY, "click"}
