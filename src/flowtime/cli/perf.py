"""``flowtime perf``: performance tests measured, judged, guarded, compared and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowtime.cli.options import json_option, now, root_option, settings_from

if TYPE_CHECKING:
    from flowtime.tracking.perf.drive import Means, Plan
    from flowtime.tracking.perf.outcome import PerfOutcome
    from flowtime.tracking.perf.suite import Suite

__all__ = ["perf"]

WORK_FOLDER = ".perf"  # hidden, so that the registry takes it for no run
MAX_SEED = 2**31
Command = TypeVar("Command", bound=Callable[..., Any])

markdown_flag = click.option("--markdown", is_flag=True, help="Print Markdown.")
enforce_option = click.option("--enforce", is_flag=True, help="Exit with 1 on a soft breach or a missing baseline too.")


def suite_options(command: Command) -> Command:
    """Add SUITE and what says how to find and choose its cases."""
    for add in (
        click.option("--size", type=click.Choice(("full", "tiny")), default="full", help="Size of the cases."),
        click.option("--timeout", "timeout_s", metavar="S", type=click.FloatRange(min=1), default=300.0,
                     show_default=True, help="Seconds after which one answer of a worker is given up."),
        click.option("--path", "paths", metavar="DIR", multiple=True,
                     help="Folder of a checkout to import the package from; repeatable.  [default: src, or the root]"),
        click.option("--case", "patterns", metavar="NAME", multiple=True,
                     help="Only cases of this name; repeatable, `*` stands for any text."),
        click.argument("suite", metavar="SUITE"),
    ):  # fmt: skip
        command = add(command)
    return command


def episode_options(command: Command) -> Command:
    """Add how often everything is measured."""
    for add in (
        click.option("--seed", type=click.IntRange(0, MAX_SEED - 1), help="Of the order of turns.  [default: drawn]"),
        click.option("--sweeps", type=click.IntRange(1, 10_000), default=40, show_default=True,
                     help="Turns of each side in an episode."),
        click.option("--episodes", type=click.IntRange(1, 1000), default=10, show_default=True,
                     help="How often fresh processes are measured."),
    ):  # fmt: skip
        command = add(command)
    return command


@click.group()
def perf() -> None:
    """Measure performance tests against a base, and judge them.

    SUITE is a YAML or TOML file of tests, or a registry of cases in Python, module:NAME.  Exit status: 0 passed, soft
    breach or no baseline; 1 failed (with --enforce also a soft breach or no baseline); 2 wrong usage, an unknown ref
    or a suite that is not valid; 3 the measurement itself broke.
    """


@perf.command("run")
@suite_options
@episode_options
@click.option("--base", "base_ref", metavar="REF", help="Measure against where REF and HEAD parted, in turns.")
@click.option("--base-run", metavar="RUN", help="Compare with an earlier run; a soft breach at most.")
@click.option("--base-python", metavar="FILE", help="Python of the base, where it depends on other packages.")
@click.option("--run-id", metavar="ID", help="Name of the run folder.  [default: drawn]")
@enforce_option
@root_option
@markdown_flag
@json_option
@click.pass_context
def run_command(
    context: click.Context,
    /,
    base_ref: str | None,
    base_run: str | None,
    base_python: str | None,
    run_id: str | None,
    enforce: bool,
    runs_dir: str | None,
    markdown: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Measure SUITE, judge it, and keep a run with the report and all turns.

    The cases are those of this checkout on both sides.  Without --base or --base-run they are measured and shown with
    no baseline.
    """
    from flowtime.cli.perf_text import print_outcome
    from flowtime.tracking.perf.gate import GateRequest, check_base, run_gate
    from flowtime.tracking.perf.store import keep_outcome, perf_run

    if base_ref is not None and base_run is not None:
        raise click.UsageError("Give --base or --base-run, not both.")
    root = _root(runs_dir)
    earlier = None if base_run is None else _opened(root, base_run)
    plan, patterns = _plan(asked), asked["patterns"]
    request = GateRequest(_suite(asked), plan, patterns, base_ref, earlier, base_python)
    check_base(request)
    with perf_run(root, f"perf {request.suite.name}", run_id=run_id, config=plan._asdict()) as run:
        outcome = run_gate(request, _means(root)._replace(run=run))
        folder = keep_outcome(run, outcome)
    print_outcome(outcome, folder, as_markdown=markdown, as_json=as_json)
    context.exit(_status(outcome, enforce))


@perf.command()
@suite_options
@enforce_option
@root_option
@markdown_flag
@json_option
@click.pass_context
def guard(
    context: click.Context, /, enforce: bool, runs_dir: str | None, markdown: bool, as_json: bool, **asked: Any
) -> None:
    """Hold the guarded cases of SUITE against their limits, and keep a run.

    A raw probe beside each tells whether a broken limit is the host's: then it is a soft breach.  The folder of the
    runs must lie on the disk that is meant.
    """
    from flowtime.cli.perf_text import print_outcome
    from flowtime.tracking.perf.guard import run_guards
    from flowtime.tracking.perf.store import keep_outcome, perf_run

    root, suite, plan = _root(runs_dir), _suite(asked), _plan(asked)
    with perf_run(root, f"guard {suite.name}", run_id=None, config=plan._asdict()) as run:
        outcome = run_guards(suite, plan, _means(root)._replace(run=run), asked["patterns"])
        folder = keep_outcome(run, outcome)
    print_outcome(outcome, folder, as_markdown=markdown, as_json=as_json)
    context.exit(_status(outcome, enforce))


@perf.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@enforce_option
@root_option
@markdown_flag
@json_option
@click.pass_context
def compare(
    context: click.Context, /, a: str, b: str, enforce: bool, runs_dir: str | None, markdown: bool, as_json: bool
) -> None:
    """Compare the cases of run B with those of the earlier run A.

    What was measured at two times holds the drift of the host, so a slower case is a soft breach at most.
    """
    from flowtime.cli.perf_text import print_outcome
    from flowtime.tracking.perf.compare import compare_outcomes

    root = _root(runs_dir)
    (name, base), (_, head) = _opened(root, a), _opened(root, b)
    outcome = compare_outcomes(name, base, head, clock=now)
    print_outcome(outcome, None, as_markdown=markdown, as_json=as_json)
    context.exit(_status(outcome, enforce))


@perf.command()
@click.argument("run", metavar="RUN")
@click.option("--markdown", metavar="FILE", type=click.File("wb"), help="Write Markdown; `-` is stdout.")
@click.option("--json", "as_json", metavar="FILE", type=click.File("wb"), help="Write all that is known, as JSON.")
@click.option("--junit", metavar="FILE", type=click.File("wb"), help="Write JUnit XML.")
@root_option
def report(run: str, markdown: Any, as_json: Any, junit: Any, runs_dir: str | None) -> None:
    """Write the report of RUN into files; without options, Markdown to stdout."""
    from flowtime.tracking.perf.report import junit_xml, markdown_text
    from flowtime.tracking.perf.store import outcome_json

    outcome = _opened(_root(runs_dir), run)[1]
    if not (markdown or as_json or junit):
        click.echo(markdown_text(outcome), nl=False)
    if markdown:
        markdown.write(markdown_text(outcome).encode())
    if as_json:
        as_json.write(outcome_json(outcome))
    if junit:
        junit.write(junit_xml(outcome))


@perf.command()
@suite_options
@episode_options
@click.option("--suites", type=click.IntRange(1, 1000), default=5, show_default=True, help="Suites of each kind.")
@click.option("--slow", type=click.FloatRange(min=0), default=0.1, show_default=True, help="Share to slow down by.")
@root_option
@json_option
def selfcheck(suites: int, slow: float, runs_dir: str | None, as_json: bool, **asked: Any) -> None:
    """Judge SUITE against itself, as it is and made slower, and count the verdicts.

    This tells how far the gate may be trusted on this host.
    """
    from flowtime.cli.console import print_json
    from flowtime.cli.perf_text import print_selfcheck
    from flowtime.tracking.perf.selfcheck import run_selfcheck

    means, plan, patterns = _means(_root(runs_dir)), _plan(asked), asked["patterns"]
    found = run_selfcheck(_suite(asked), plan, means, suites=suites, slow=slow, patterns=patterns)
    if as_json:
        print_json(found)
    else:
        print_selfcheck(found)


def _root(runs_dir: str | None) -> Path:
    return Path(settings_from(runs_dir=runs_dir).runs_dir)


def _suite(asked: dict[str, Any]) -> Suite:
    """Read the suite, for the checkout that the working folder is in."""
    from flowtime.tracking.perf.checkout import repository_root
    from flowtime.tracking.perf.suite import load_suite

    here = Path.cwd()
    return load_suite(asked["suite"], root=repository_root(here) or here, paths=asked["paths"])


def _plan(asked: dict[str, Any]) -> Plan:
    from secrets import randbelow

    from flowtime.tracking.perf.drive import Plan

    seed = asked.get("seed")
    return Plan(
        episodes=asked.get("episodes", 1),
        sweeps=asked.get("sweeps", 1),
        seed=randbelow(MAX_SEED) if seed is None else seed,
        size=asked["size"],
        timeout_s=asked["timeout_s"],
    )


def _means(root: Path) -> Means:
    from os import environ

    from flowtime.tracking.perf.drive import Means

    def notify(line: str) -> None:
        click.echo(line, err=True)

    return Means(root.resolve() / WORK_FOLDER, environ, now, notify)


def _opened(root: Path, word: str) -> tuple[str, PerfOutcome]:
    """Return the id of a perf run, given that or its folder, and what it holds."""
    from flowtime.runs import find_run
    from flowtime.tracking.perf.outcome import read_outcome

    folder = find_run(root, word)
    return folder.name, read_outcome(folder)


def _status(outcome: PerfOutcome, enforce: bool) -> int:
    return int(outcome.verdict == "failed" or (enforce and outcome.verdict != "passed"))
