"""How a failed command says so: text or JSON on stderr, nothing on stdout, and the exit status of its code."""

from __future__ import annotations

import json
from collections.abc import Callable

import click
import pytest

from flowtime import cli as cli_package
from flowtime.cli import main
from flowtime.errors import Fault, ModelError, ParameterError, RunConflictError, RunCorruptError, StorageError

FAULTS = [
    Fault("model.unknown_field", "unknown field 'binz'", "m.yaml", 3, 5, "$.grid.binz", "did you mean 'bins'?"),
    Fault("model.missing_field", "bins is required", "m.yaml", 2, 3, "$.grid"),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Return a function that makes the command line fail with an exception."""

    def install(error: BaseException) -> None:
        def fail(*_arguments: object, **_options: object) -> None:
            raise error

        command = click.Command("fails", callback=fail, params=[click.Option(["--json"], is_flag=True)])
        monkeypatch.setattr(cli_package.cli, "get_command", lambda _context, _name: command)

    return install


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ModelError(FAULTS), 1, id="invalid model"),
        pytest.param(ParameterError("no such parameter"), 1, id="invalid parameter"),
        pytest.param(ModelError([Fault("model.not_found", "no file m.yaml")]), 3, id="not found"),
        pytest.param(RunConflictError("made from other inputs"), 4, id="conflict"),
        pytest.param(StorageError("disk full"), 5, id="storage"),
        pytest.param(RunCorruptError("hash differs"), 6, id="corrupt"),
        pytest.param(ValueError("a defect"), 70, id="internal"),
        pytest.param(KeyboardInterrupt(), 130, id="interrupted"),
        pytest.param(click.UsageError("use it so"), 2, id="usage"),
        pytest.param(click.exceptions.Exit(9), 9, id="exit asked for"),
    ],
)
def test_exit_status(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    failing(error)
    assert main(["fails"]) == status
    assert capsys.readouterr().out == ""


def test_every_fault_is_printed_in_the_order_of_the_file(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ModelError(FAULTS))
    main(["fails"])
    assert capsys.readouterr().err == (
        "m.yaml:2:3: bins is required [model.missing_field] at $.grid\n"
        "m.yaml:3:5: unknown field 'binz' [model.unknown_field] at $.grid.binz\n"
        "    hint: did you mean 'bins'?\n"
    )


def test_json_error_holds_code_message_and_faults(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ModelError(FAULTS))
    main(["fails", "--json"])
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "model.missing_field"
    assert [fault["code"] for fault in error["faults"]] == ["model.missing_field", "model.unknown_field"]
    assert error["faults"][1] == {**FAULTS[0]._asdict()}


def test_internal_error_is_short_and_says_how_to_see_more(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ValueError("a defect"))
    main(["fails"])
    message = capsys.readouterr().err
    assert message.startswith("internal error: ValueError: a defect [flowtime.internal]\n")
    assert "--traceback" in message
    assert "Traceback" not in message


def test_traceback_is_printed_where_asked_for(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ValueError("a defect"))
    assert main(["--traceback", "fails"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["rnu"], "Did you mean 'run'?", id="command"),
        pytest.param(["run", "--sed", "1"], "No such option", id="option"),
        pytest.param(["run", "--param", "x"], "'x' is not NAME=VALUE.", id="parameter without a value"),
        pytest.param(["run", "--param", "x=1", "--param", "x=2"], "'x' is given twice.", id="parameter twice"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_wrong_usage_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--sed", "1", "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "usage.invalid"


def test_a_closed_pipe_is_quiet() -> None:
    import subprocess
    import sys

    program = "import sys; from flowtime.cli import main; sys.exit(main(['--help']))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()  # type: ignore[union-attr]
    assert process.stderr.read() == b""  # type: ignore[union-attr]
    process.wait()
