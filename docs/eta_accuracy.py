"""How good the forecasts of the run tracker are: recorded runs and made-up ones, forecast again from what came before.

``python docs/eta_accuracy.py`` computes the figures from the runs that are stored in ``docs/data/eta_accuracy.json``
and prints them; ``--write`` stores them, for ``docs/generate.py`` to make the tables of the page of;
``--record LABEL`` first records ``examples/imitation_pipeline.py``, 20 times whole and 40 times with ``--quick``, in
some minutes, and stores the runs by that label: ``calm`` and ``busy`` say what else the machine did.

A forecast is made again as it would have been: with the steps and the progress that the log of the run holds up to
that moment, and with the runs before it as history.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from flowtime.tracking.forecast.eta import NO_HISTORY, Forecaster, StepHistory, StepPast
from flowtime.tracking.forecast.eta_score import ForecastPoint, score
from flowtime.tracking.log.event_reader import read_events
from flowtime.tracking.log.log_format import Kind

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "imitation_pipeline.py"
STORED = Path(__file__).resolve().parent / "data" / "eta_accuracy.json"
STEPS = ("expert", "collect", "clone", "finetune", "compare")
RECORDED = {"whole": (20, ()), "quick": (40, ("--quick",))}
LABELS = ("calm", "busy")
# Forecasts a run, evenly over its time.
FORECASTS = 40
MOST_HISTORY = 50
EARLIER = {"none": (0, 0), "1": (1, 1), "2 to 4": (2, 4), "5 or more": (5, MOST_HISTORY)}
SEED = 20_261_121
MADE_STEPS = ("expert", "collect", "pretrain", "finetune", "compare")
MADE_MEDIANS = (1800.0, 900.0, 600.0, 1200.0, 300.0)
MADE_ITEMS = (None, 200, 50, 100, None)
MADE_SPREADS = (0.05, 0.12, 0.3)
MADE_EARLIER = (0, 1, 3, 10)
MADE_RUNS = 100
_NS = 1e9


class Told(NamedTuple):
    """One thing that a run told: ``done`` is None where a step has a new status, else progress was made."""

    at: float
    step: str
    status: str
    done: int | None = None
    total: int | None = None


class Course(NamedTuple):
    """One run: how long it took, and what it told, in the order of time; seconds since it began."""

    seconds: float
    told: Sequence[Told]


class Judged(NamedTuple):
    """The score of one run, and which share of it had passed when the first forecast could be made."""

    median_error: float | None
    later_error: float | None
    coverage: float | None
    known_after: float | None


# --- recording ----------------------------------------------------------------------------------------------------


def record(label: str) -> dict[str, Any]:
    """Run the example again and again; return the courses of its runs."""
    with tempfile.TemporaryDirectory() as name:
        return {f"{kind}, {label}": _recorded(Path(name) / kind, *how) for kind, how in RECORDED.items()}


def _recorded(root: Path, count: int, options: Sequence[str]) -> list[Any]:
    command = [sys.executable, str(EXAMPLE), "--enable-tracker", "--runs-dir", str(root), *options, "--seed"]
    # Several threads of the linear algebra on a machine with other jobs wait for each other for most of the time.
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    for seed in range(count):
        subprocess.run([*command, str(seed)], check=True, stdout=subprocess.DEVNULL, env=environ)
    # Ids sort by the time at which runs began.
    return [_course_of(root / name) for name in sorted(os.listdir(root)) if not name.startswith(".")]


def _course_of(folder: Path) -> dict[str, Any]:
    """Return the course of a run from its log, with the score that it gave itself."""
    events = list(read_events(folder, streams=("control", "samples")))
    began = events[0].monotonic_ns
    rows: list[list[Any]] = []
    for event in events:
        at = round((event.monotonic_ns - began) / _NS, 4)
        if event.kind == Kind.STEP:
            rows.append([at, event.data["id"], event.data["status"]])
        elif event.kind == Kind.PROGRESS:
            rows += [[at, step, "running", done, total] for step, (done, total) in event.data.items()]
    document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {"seconds": round(document["elapsedSeconds"], 4), "told": rows, "eta": document["eta"]}


def courses(rows: Iterable[Mapping[str, Any]]) -> list[Course]:
    """Return the stored courses of one kind of run."""
    return [Course(row["seconds"], [Told(*told) for told in row["told"]]) for row in rows]


# --- forecasting again --------------------------------------------------------------------------------------------


def history_of(runs: Sequence[Course]) -> StepHistory:
    """Return what runs say, as their records would."""
    seconds: dict[str, list[float]] = {}
    totals: dict[str, list[int | None]] = {}
    shares = []
    for run in runs:
        lasted = _durations(run)
        items = {told.step: told.total for told in run.told if told.total is not None}
        shares.append(run.seconds / sum(lasted.values()))
        for step, value in lasted.items():
            seconds.setdefault(step, []).append(value)
            totals.setdefault(step, []).append(items.get(step))
    if not runs:
        return NO_HISTORY
    pasts = {step: StepPast(tuple(values), tuple(totals[step])) for step, values in seconds.items()}
    return StepHistory(len(runs), pasts, statistics.median(shares))


def _durations(run: Course) -> dict[str, float]:
    began: dict[str, float] = {}
    lasted: dict[str, float] = {}
    for told in run.told:
        if told.done is None and told.status == "running":
            began[told.step] = told.at
        elif told.done is None and told.step in began:
            lasted[told.step] = told.at - began[told.step]
    return lasted


def judge(run: Course, history: StepHistory, plan: Sequence[str]) -> Judged:
    """Return how good the forecasts of a run would have been with that history."""
    now = 0.0
    forecaster = Forecaster(plan, history, lambda: now)
    points, waiting, over, known = [], list(run.told), 0, None
    for place in range(FORECASTS):
        moment = run.seconds * place / FORECASTS
        while waiting and waiting[0].at <= moment:
            told = waiting.pop(0)
            now = told.at
            over += _tell(forecaster, told)
        now = moment
        forecast = forecaster.forecast()
        if forecast.seconds is None or forecast.low is None or forecast.high is None:
            continue
        known = moment / run.seconds if known is None else known
        points.append(ForecastPoint(moment, over, forecast.seconds, forecast.low, forecast.high))
    found = score(points, run.seconds)
    return Judged(found.median_error, found.after_step_2_error, found.interval_coverage, known)


def _tell(forecaster: Forecaster, told: Told) -> int:
    """Hand one thing on; return how many steps it ended."""
    if told.done is not None:
        forecaster.progress(told.step, told.done, told.total)
        return 0
    if told.status == "running":
        forecaster.step_started(told.step)
        return 0
    forecaster.step_ended(told.step, told.status)
    return 1


def made_course(random: Random, spread: float) -> Course:
    """Return a made-up run of 80 minutes; half of the variance of each step is of the whole run."""
    shared = random.gauss(0.0, spread * 0.5**0.5)
    told, at = [], 0.0
    for step, median, items in zip(MADE_STEPS, MADE_MEDIANS, MADE_ITEMS, strict=True):
        lasts = median * 2.718281828459045 ** (shared + random.gauss(0.0, spread * 0.5**0.5))
        told.append(Told(at, step, "running"))
        if items:
            told += [Told(at + lasts * done / 25, step, "running", items * done // 25, items) for done in range(1, 25)]
        at += lasts
        told.append(Told(at, step, "completed"))
    return Course(at, told)


# --- figures ------------------------------------------------------------------------------------------------------


def figures(recordings: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return all figures of the page."""
    found = {kind: courses(rows) for kind, rows in recordings.items()}
    return {
        "recorded": {kind: _recorded_figures(runs) for kind, runs in found.items()},
        "duration": {kind: _spread([run.seconds for run in runs]) for kind, runs in found.items()},
        "told": {kind: _told_figures(rows) for kind, rows in recordings.items()},
        "other size": {
            f"whole, {label}": _other_size(found[f"quick, {label}"], found[f"whole, {label}"])
            for label in LABELS
            if f"whole, {label}" in found
        },
        "made": {str(spread): _made_figures(spread) for spread in MADE_SPREADS},
    }


def _recorded_figures(runs: Sequence[Course]) -> dict[str, Any]:
    """Return the scores by how many runs came before: each is forecast with all before it, and with the last few."""
    scores: dict[str, list[Judged]] = {name: [] for name in EARLIER}
    for place, run in enumerate(runs):
        for name, (least, most) in EARLIER.items():
            counts = range(least, min(most, least + 2) + 1) if most < MOST_HISTORY else (place,)
            for count in counts:
                if least <= count <= place:
                    scores[name].append(judge(run, history_of(runs[place - count : place][-MOST_HISTORY:]), STEPS))
    return {name: _summary(found) for name, found in scores.items()}


def _other_size(before: Sequence[Course], runs: Sequence[Course]) -> dict[str, Any]:
    """Return the scores of runs whose history is of runs that did less work."""
    return _summary([judge(run, history_of(before), STEPS) for run in runs])


def _made_figures(spread: float) -> dict[str, Any]:
    random = Random(SEED)
    found: dict[str, Any] = {}
    for earlier in MADE_EARLIER:
        scores = []
        for _ in range(MADE_RUNS):
            history = history_of([made_course(random, spread) for _ in range(earlier)])
            scores.append(judge(made_course(random, spread), history, MADE_STEPS))
        found[str(earlier)] = _summary(scores)
    return found


def _summary(scores: Sequence[Judged]) -> dict[str, Any]:
    later = [one.later_error for one in scores if one.later_error is not None]
    known = [one.known_after for one in scores if one.known_after is not None]
    return {
        "forecasts of runs": len(scores),
        "median error": _median([one.median_error for one in scores]),
        "within 20 %": sum(error <= 0.2 for error in later) / len(later) if later else None,
        "coverage": _mean([one.coverage for one in scores]),
        "known after": statistics.median(known) if known else None,
        "never known": sum(one.known_after is None for one in scores),
    }


def _told_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scores that the runs gave themselves while they went on."""
    scores = [row["eta"] for row in rows if row["eta"] is not None]
    return {
        "runs": len(rows),
        "with a score": len(scores),
        "median error": _median([one["medianError"] for one in scores]),
        "coverage": _mean([one["intervalCoverage"] for one in scores]),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def _median(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found else None


# --- tables -------------------------------------------------------------------------------------------------------


def tables(stored: Mapping[str, Any]) -> dict[str, tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """Return the tables of the page by their names."""
    found = stored["figures"]
    columns = ("forecasts of runs", "median error", "within 20 % after step 2", "interval held the end", "known after")
    recorded = [
        (kind if place == 0 else "", name, *_cells(row))
        for kind, rows in found["recorded"].items()
        for place, (name, row) in enumerate(rows.items())
    ]
    made = [
        (f"{float(spread):.0%}".replace("%", " %") if place == 0 else "", earlier, *_cells(row))
        for spread, rows in found["made"].items()
        for place, (earlier, row) in enumerate(rows.items())
    ]
    told = [
        (kind, str(row["runs"]), str(row["with a score"]), _percent(row["median error"]), _percent(row["coverage"]))
        for kind, row in found["told"].items()
    ]
    durations = [
        (kind, str(len(stored["recordings"][kind])), *(f"{row[name]:.1f} s" for name in ("median", "least", "most")))
        for kind, row in found["duration"].items()
    ]
    return {
        "recorded": (("runs", "earlier runs", *columns), recorded),
        "made": (("spread", "earlier runs", *columns), made),
        "told": (("runs", "recorded", "with a score", "median error", "interval held the end"), told),
        "durations": (("runs", "recorded", "median", "shortest", "longest"), durations),
        "other": (("runs", *columns), [(kind, *_cells(row)) for kind, row in found["other size"].items()]),
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("median error", "within 20 %", "coverage", "known after")
    return (str(row["forecasts of runs"]), *(_percent(row[name]) for name in names))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}".replace("%", " %")


def rounded(value: Any) -> Any:
    """Return figures with as many digits as they are worth."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(arguments: Sequence[str]) -> int:
    """Compute; return the exit status."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    recordings = dict(stored["recordings"])
    if arguments[:1] == ["--record"]:
        recordings |= record(arguments[1])
    found = rounded(figures(recordings))
    if arguments:
        encode = json.JSONEncoder(separators=(",", ":")).encode
        lines = {kind: "[\n" + ",\n".join(map(encode, rows)) + "\n]" for kind, rows in recordings.items()}
        body = ",\n".join(f'"{kind}": {text}' for kind, text in lines.items())
        text = f'{{"figures": {json.dumps(found, indent=1)},\n"recordings": {{\n{body}\n}}}}\n'
        STORED.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
