"""``flowtime track`` as people call it: real programs, real signals, real terminals."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

if sys.platform == "win32":
    pytest.skip("programs are wrapped on POSIX systems only", allow_module_level=True)

TRACK = (sys.executable, "-m", "flowtime", "track", "--no-sample")
LIMIT_S = 60


def environ(**more: str) -> dict[str, str]:
    return {**{key: value for key, value in os.environ.items() if not key.startswith("FLOWTIME_")}, **more}


def track(folder: Path, *words: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*TRACK, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        timeout=LIMIT_S,
        env=environ(**more),
        check=False,
    )


def record(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("runs/*/run.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def output(folder: Path) -> bytes:
    (path,) = folder.glob("runs/*/output.log")
    return path.read_bytes()


def started(folder: Path, *command: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a program that prints a line when it is ready, and wait for that."""
    process = subprocess.Popen(
        [*TRACK, "--quiet", *options, "--", *command], cwd=folder, stdout=subprocess.PIPE, env=environ()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def python(text: str) -> tuple[str, ...]:
    return sys.executable, "-u", "-c", text


def test_output_is_passed_on_and_kept(tmp_path: Path) -> None:
    done = track(
        tmp_path, "--quiet", "--", "sh", "-c", r"printf 'a\0\377\r\n'; printf 'b' >&2; cat", stdin=b"from stdin"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a\0\xff\r\nfrom stdin", b"b")
    assert sorted(output(tmp_path)) == sorted(done.stdout + done.stderr)
    assert record(tmp_path)["status"] == "completed"


def test_order_is_kept_where_both_streams_go_to_one_place(tmp_path: Path) -> None:
    text = "import os\nfor i in range(300): os.write(1 + i % 2, b'%d\\n' % i)"
    done = subprocess.run(
        [*TRACK, "--quiet", "--", *python(text)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ(), timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.stdout == b"".join(b"%d\n" % number for number in range(300))
    assert output(tmp_path) == done.stdout


def test_all_of_a_large_output_comes_through(tmp_path: Path) -> None:
    done = track(tmp_path, "--quiet", "--", *python("print('x' * 3_000_000)"), FLOWTIME_OUTPUT_LOG_MB="1")
    assert done.stdout == b"x" * 3_000_000 + b"\n"
    assert sum(path.stat().st_size for path in tmp_path.glob("runs/*/output*.log")) <= 1 << 20
    assert record(tmp_path)["summary"]["output_bytes_left_out"] > 1_900_000


@pytest.mark.parametrize(
    ("script", "status", "exit_status"),
    [
        pytest.param("exit 0", "completed", 0, id="well"),
        pytest.param("exit 7", "failed", 7, id="not well"),
        pytest.param("exit 255", "failed", 255, id="the largest"),
        pytest.param("kill -TERM $$", "preempted", 143, id="SIGTERM"),
        pytest.param("kill -INT $$; sleep 9", "cancelled", 130, id="SIGINT"),
        pytest.param("kill -KILL $$", "killed", 137, id="SIGKILL"),
        pytest.param("kill -SEGV $$", "failed", 139, id="SIGSEGV"),
    ],
)
def test_the_exit_status_is_passed_on(tmp_path: Path, script: str, status: str, exit_status: int) -> None:
    assert track(tmp_path, "--", "sh", "-c", script).returncode == exit_status
    found = record(tmp_path)
    assert found["status"] == status
    assert found["end"] is None or found["end"]["exitCode"] == exit_status


def test_the_end_holds_the_last_lines(tmp_path: Path) -> None:
    track(tmp_path, "--", "sh", "-c", "seq 1 80; echo no such thing >&2; exit 1")
    end = record(tmp_path)["end"]
    assert (len(end["logLines"]), end["reason"], end["signal"]) == (50, "exit status 1", None)
    assert "no such thing" in end["logLines"]


def test_what_is_asked_for_is_in_the_record(tmp_path: Path) -> None:
    words = ("--name", "train", "--steps", "a, b", "--tag", "team=x", "--tag", "n=1", "--scenario", "s")
    track(tmp_path, *words, "--", "true")
    found = record(tmp_path)
    assert (found["pipeline"], found["enabledSteps"], found["scenario"]) == ("train", ["a", "b"], "s")
    assert found["tags"] == {"team": "x", "n": "1"}
    assert found["config"]["command"] == ["true"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        pytest.param(("sh", "-c", "true"), "sh", id="a program"),
        pytest.param((sys.executable, "-u", "work.py", "x"), "work", id="a script"),
        pytest.param((sys.executable, "-m", "site"), "site", id="a module"),
    ],
)
def test_a_pipeline_is_named_after_its_program(tmp_path: Path, command: tuple[str, ...], name: str) -> None:
    (tmp_path / "work.py").write_text("")
    track(tmp_path, "--", *command)
    assert record(tmp_path)["pipeline"] == name


def test_a_program_announces_its_steps(tmp_path: Path) -> None:
    script = "echo ::step a; echo ::progress 2/4; echo ::step b >&2; echo ::metric loss=0.25 >&2"
    done = track(tmp_path, "--quiet", "--steps", "a,b,c", "--", "sh", "-c", script + "; sleep 0.2; exit 3")
    assert done.stdout == b"::step a\n::progress 2/4\n"
    steps = record(tmp_path)["steps"]
    assert {(step["stepId"], step["status"]) for step in steps} in (
        {("a", "completed"), ("b", "failed"), ("c", "pending")},
        # Two streams are two channels: which is read first is not told.
        {("a", "failed"), ("b", "completed"), ("c", "pending")},
    )


def test_a_python_program_joins_the_run(tmp_path: Path) -> None:
    from flowtime.tracking.log.scalar_reader import last_scalars

    text = "import os, flowtime\nwith flowtime.track_child(os.environ['FLOWTIME_RUN_DIR']) as run: run.log(loss=0.5)"
    done = track(tmp_path, "--", *python(text))
    (folder,) = (tmp_path / "runs").glob("r*")
    assert (done.returncode, last_scalars(folder)["loss"][0]) == (0, 0.5)


def test_flowtime_can_be_called_inside(tmp_path: Path) -> None:
    done = track(tmp_path, "--quiet", "--", sys.executable, "-m", "flowtime", "runs", "list")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        pytest.param(("--", "no-such-program"), 127, b"command not found", id="no such program"),
        pytest.param(("--", "./text"), 126, b"can not be executed", id="no program"),
        pytest.param((), 2, b"Give a command", id="no command"),
        pytest.param(("--steps", "a,,b", "--", "true"), 2, b"different names", id="a step without a name"),
        pytest.param(("--tag", "x", "--", "true"), 2, b"KEY=VALUE", id="a tag without a value"),
        pytest.param(("--nonsense", "--", "true"), 2, b"No such option", id="an option that is none"),
        pytest.param(("--resume", "none", "--", "true"), 3, b"no run", id="no such run"),
    ],
)
def test_what_can_not_be_run_leaves_no_run(tmp_path: Path, words: tuple[str, ...], status: int, text: bytes) -> None:
    (tmp_path / "text").write_text("")
    done = track(tmp_path, *words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert text in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_what_the_system_refuses_to_start_has_failed(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no interpreter")
    (tmp_path / "text").chmod(0o755)
    assert track(tmp_path, "--", "./text").returncode == 126
    assert record(tmp_path)["status"] == "failed"


def test_a_run_without_a_folder_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    done = track(tmp_path, "--", "sh", "-c", "echo done; exit 4")
    assert (done.returncode, done.stdout) == (4, b"done\n")
    assert b"is not recorded" in done.stderr


def test_the_words_around_are_for_people(tmp_path: Path) -> None:
    lines = track(tmp_path, "--", "true").stderr.decode().splitlines()
    assert [line.split()[:2] for line in lines] == [["flowtime:", "run"]] * 2
    assert record(tmp_path)["runId"] in lines[0]


def test_the_record_is_printed_at_the_end(tmp_path: Path) -> None:
    done = track(tmp_path, "--json", "--", "echo", "x")
    assert done.stdout == b"x\n"
    assert json.loads(done.stderr) == record(tmp_path)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_are_passed_on(tmp_path: Path, name: str) -> None:
    text = f"import signal, sys\nsignal.signal(signal.{name}, lambda *_: sys.exit(9))\nprint('ready')\nsignal.pause()"
    process = started(tmp_path, *python(text))
    process.send_signal(getattr(signal, name))
    assert process.wait(LIMIT_S) == 9
    status = {"SIGTERM": "preempted", "SIGINT": "cancelled"}.get(name, "failed")
    assert record(tmp_path)["status"] == status


def test_the_whole_group_gets_a_signal(tmp_path: Path) -> None:
    process = started(
        tmp_path, "sh", "-c", "(trap 'echo inner; exit' TERM; echo ready; while :; do sleep 0.05; done) | cat"
    )
    process.terminate()
    assert process.wait(LIMIT_S) == 143
    assert output(tmp_path).startswith(b"ready\n")


def test_a_second_interrupt_kills(tmp_path: Path) -> None:
    process = started(tmp_path, "sh", "-c", "trap '' INT; echo ready; while :; do sleep 0.1; done")
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_S) == 137
    assert record(tmp_path)["status"] == "cancelled"


def wait_for_status(process: psutil.Process, status: str) -> str:
    end = time.monotonic() + 20
    while process.status() != status and time.monotonic() < end:
        time.sleep(0.02)
    return process.status()


def test_stopping_stops_the_program_too(tmp_path: Path) -> None:
    process = started(tmp_path, "sh", "-c", "echo ready; exec sleep 60")
    (program,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTSTP)
    stopped = [wait_for_status(psutil.Process(process.pid), "stopped"), wait_for_status(program, "stopped")]
    process.send_signal(signal.SIGCONT)
    assert stopped == ["stopped", "stopped"]
    assert wait_for_status(program, "sleeping") == "sleeping"
    process.terminate()
    assert process.wait(LIMIT_S) == 143


def test_time_is_up(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert track(tmp_path, "--timeout", "0.3", "--", "sleep", "30").returncode == 124
    assert time.monotonic() - begun < 10
    found = record(tmp_path)
    assert (found["status"], found["end"]["exitCode"], found["end"]["signal"]) == ("timeout", 124, "SIGTERM")


def test_a_program_that_nobody_reads_ends_as_it_would(tmp_path: Path) -> None:
    process = subprocess.Popen([*TRACK, "--quiet", "--", "yes"], cwd=tmp_path, stdout=subprocess.PIPE, env=environ())
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(LIMIT_S) == 128 + signal.SIGPIPE


def test_children_that_go_on_are_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = track(tmp_path, "--quiet", "--", "sh", "-c", "sleep 8 & echo gone")
    assert (done.returncode, done.stdout, time.monotonic() - begun < 6) == (0, b"gone\n", True)


def test_a_killed_tracker_leaves_what_was_printed(tmp_path: Path) -> None:
    from flowtime.tracking import bury

    process = started(tmp_path, "sh", "-c", "echo ready; sleep 0.5; echo more; sleep 0.2")
    process.kill()
    process.wait(LIMIT_S)
    (folder,) = (tmp_path / "runs").glob("r*")
    buried = bury(folder)
    assert buried is not None
    assert buried.end is not None
    assert (buried.status, buried.end.log_lines, output(tmp_path)) == ("killed", ("ready",), b"ready\n")


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    script = 'echo "done: $FLOWTIME_STEPS_DONE"; echo ::step a; echo ::step b; test -e flag'
    assert track(tmp_path, "--quiet", "--", "sh", "-c", script).returncode == 1
    run_id = record(tmp_path)["runId"]
    (tmp_path / "flag").write_text("")
    done = track(tmp_path, "--quiet", "--resume", run_id)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"done: a")
    found = record(tmp_path)
    assert (found["status"], found["sessions"], output(tmp_path).count(b"::step b")) == ("completed", 2, 2)


def test_a_run_within_a_run_that_goes_on_has_steps_of_its_own(tmp_path: Path) -> None:
    done = track(tmp_path, "--quiet", "--", "sh", "-c", 'echo "done: $FLOWTIME_STEPS_DONE"', FLOWTIME_STEPS_DONE="a,b")
    assert (done.returncode, done.stdout) == (0, b"done: \n")


def in_terminal(folder: Path, command: Sequence[str], typed: bytes = b"") -> tuple[int, bytes]:
    """Run a program in a terminal of its own; ``typed`` is typed in when it has printed ``ready``."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(command[0], command, environ())
    printed = b""
    while select.select([terminal], [], [], LIMIT_S)[0]:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        if b"ready" not in printed and b"ready" in printed + piece:
            os.write(terminal, typed)
        printed += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed


def test_a_program_in_a_terminal_has_one(tmp_path: Path) -> None:
    text = "import sys; print('ready', [s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], input())"
    code, printed = in_terminal(tmp_path, [*TRACK, "--quiet", "--", *python("print('ready');" + text)], b"typed\n")
    assert code == 0
    assert printed.endswith(b"ready [True, True, True] typed\r\n")
    assert b"\r\r" not in printed
    assert output(tmp_path).endswith(b"ready [True, True, True] typed\n")


def test_ctrl_c_in_a_terminal_cancels(tmp_path: Path) -> None:
    code, _printed = in_terminal(tmp_path, [*TRACK, "--quiet", "--", "sh", "-c", "echo ready; sleep 30"], b"\x03")
    found = record(tmp_path)
    assert (code, found["status"], found["end"]["signal"]) == (130, "cancelled", "SIGINT")
