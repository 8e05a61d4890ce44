"""Compares flowtime with a discrete-event simulation of the same line of stations, item by item (SimPy).

``python docs/discrete_event.py`` prints the figures of a reduced comparison in some seconds;
``--write`` makes the full one, in some minutes, and writes ``docs/data/discrete_event.json``, from which
``docs/generate.py`` makes the tables of the page; ``--write kingman`` makes the figures of Kingman's estimate alone
anew.  Seeds are fixed: the same versions give the same figures.
Times are minutes, service takes 1 minute on the average.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import flowtime
from flowtime.engine import CompiledModel, Result
from flowtime.engine.node_metrics import dispersion, kingman_queue_time

FloatArray = NDArray[np.float64]

EXAMPLES = Path(__file__).resolve().parent / "examples" / "background"
STORED = Path(__file__).resolve().parent / "data" / "discrete_event.json"
SEED = 20_261_121
STATIONS = 3
# Draws are made for the shortest bins and added up for the longer ones, so that all see the same day.
FINEST_S = 6
BINS_S = (6, 60, 300, 900, 3600)
COUNTED_BINS_S = (60, 300, 900, 3600)
OVERLOAD = 1.2
OVERLOAD_MINUTES = 480.0
RUSH_MINUTES = 480.0
# Half width of a 95 % interval in standard errors, by number of replications; 1.96 above those.
T_QUANTILE = {8: 2.365, 20: 2.093, 50: 2.010}


@dataclass(frozen=True)
class Size:
    """How much is simulated: minutes of a replication by load; replications of SimPy, and of the model by load;
    days of overload, and of the rush by items a minute."""

    minutes: Mapping[float, float]
    replications: int
    sampled: Mapping[float, int]
    overload_days: int
    rush_days: Mapping[int, int]


REDUCED = Size(
    minutes={0.5: 2_400.0, 0.8: 4_800.0, 0.95: 12_000.0},
    replications=8,
    sampled={0.5: 8, 0.8: 8, 0.95: 8},
    overload_days=50,
    rush_days={1: 50, 10: 8},
)
FULL = Size(
    minutes={0.5: 24_000.0, 0.8: 60_000.0, 0.95: 240_000.0},
    replications=20,
    sampled={0.5: 20, 0.8: 50, 0.95: 100},
    overload_days=2_000,
    rush_days={1: 2_000, 10: 500, 100: 50},
)


def compare(size: Size) -> dict[str, Any]:
    """Return all figures: by load the steady state, then a day in overload, a day with a rush."""
    return {
        "steady": {f"{load:g}": steady(load, size) for load in size.minutes},
        "overload": overload(size.overload_days),
        "rush": {str(speed): rush(speed, days) for speed, days in size.rush_days.items()},
    }


# --- steady state -----------------------------------------------------------------------------------------------


def steady(load: float, size: Size) -> dict[str, Any]:
    """Return the figures of a load below 1: number at each station, wait, and what Kingman says."""
    minutes, warm = size.minutes[load], warm_up(load)
    lines = [simulate(lambda _: load, minutes, load, replication) for replication in range(size.replications)]
    days = [draw(constant(load, minutes), load, replication) for replication in range(size.sampled[load])]
    return {
        "theory": {"number": load / (1.0 - load), "wait": load / (1.0 - load)},
        "simpy": {
            "number": [interval([line.mean_number(station, warm) for line in lines]) for station in range(STATIONS)],
            "wait": interval([line.mean_wait(0, warm) for line in lines]),
            "throughput": interval([line.throughput(STATIONS - 1, warm) for line in lines]),
        },
        "fluid": fluid_steady(load),
        "sampled": {str(seconds): sampled_steady(days, seconds, warm) for seconds in BINS_S},
        "counted": {str(seconds): counted_steady(days, seconds, warm) for seconds in COUNTED_BINS_S},
        "kingman": kingman(load, days[0]),
    }


def warm_up(load: float) -> float:
    """Return how many minutes are left out, until the empty line that it starts with is forgotten."""
    return 60.0 * math.ceil(10.0 / (1.0 - load) ** 2 / 60.0)


def fluid_steady(load: float) -> dict[str, Any]:
    """Return what the model says with expected values: per station the queue, and what leaves a minute."""
    result = evaluate(60, {"arrivals": np.full(480, load)})
    return {
        "number": [float(queue.mean()) for queue in queues(result)],
        "throughput": float(result["third_served"].mean()),
    }


def sampled_steady(days: Sequence[Mapping[str, FloatArray]], seconds: int, warm: float) -> dict[str, Any]:
    """Return what the model says with drawn arrivals and drawn capacities: number at each station, time there."""
    numbers: list[list[float]] = [[] for _ in range(STATIONS)]
    times, served = [], []
    for day in days:
        result = evaluate(seconds, {name: longer(values, seconds) for name, values in day.items()})
        first = int(warm * 60.0 / seconds)
        for station, queue in enumerate(queues(result)):
            numbers[station].append(float(queue[first:].mean()))
        # Little: what is there on the average over what leaves on the average.
        times.append(numbers[0][-1] / float(result["first_served"][first:].mean()) * seconds / 60.0)
        served.append(float(result["third_served"][first:].mean()) * 60.0 / seconds)
    return {
        "number": [interval(station) for station in numbers],
        "time": interval(times),
        "throughput": interval(served),
    }


def counted_steady(days: Sequence[Mapping[str, FloatArray]], seconds: int, warm: float) -> dict[str, float]:
    """Return the number at the first station, where arrivals are drawn and capacity is its expected value."""
    first = int(warm * 60.0 / seconds)
    numbers = []
    for day in days:
        result = evaluate(seconds, {"arrivals": longer(day["arrivals"], seconds)})
        numbers.append(float(result["first_queue"][first:].mean()))
    return interval(numbers)


def kingman(load: float, day: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Return Kingman's wait: with the true Ca = Cs = 1; as the metric has it, for services all alike; with Cs = 1."""
    counts = {str(seconds): longer(day["arrivals"], seconds) for seconds in COUNTED_BINS_S}
    busy = load / (1.0 - load)
    return {
        "classic": busy,
        "alike": {seconds: metric_wait(load, values) for seconds, values in counts.items()},
        "random": {seconds: busy * (dispersion(values) + 1.0) / 2.0 for seconds, values in counts.items()},
    }


def with_kingman(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return stored figures of the full size with Kingman's wait computed anew; all else takes minutes."""
    for load, minutes in FULL.minutes.items():
        figures["steady"][f"{load:g}"]["kingman"] = kingman(load, draw(constant(load, minutes), load, 0))
    return figures


def metric_wait(load: float, counts: FloatArray) -> float:
    """Return the metric ``kingmanQueueTimeMs`` in minutes, for services that take a minute each."""
    wait = kingman_queue_time(np.full(counts.shape, load), np.full(counts.shape, 60_000.0), counts)
    return float(wait[0]) / 60_000.0


# --- days that are not steady -----------------------------------------------------------------------------------


def overload(days: int) -> dict[str, Any]:
    """Return the number at each station over a day at 1.2 of what the first one can do, from empty."""
    times = np.arange(60.0, OVERLOAD_MINUTES + 1.0, 60.0)
    lines = [simulate(lambda _: OVERLOAD, OVERLOAD_MINUTES, OVERLOAD, day) for day in range(days)]
    rates = constant(OVERLOAD, OVERLOAD_MINUTES)
    return {
        "times": times.tolist(),
        "simpy": [intervals([line.number_at(station, times) for line in lines]) for station in range(STATIONS)],
        "fluid": [queue[59::60].tolist() for queue in queues(evaluate(60, {"arrivals": longer(rates, 60)}))],
        "sampled": {
            str(seconds): sampled_at(rates, OVERLOAD, days, seconds, times) for seconds in (FINEST_S, 60, 3600)
        },
        "throughput": {
            "simpy": interval([line.throughput(0, 0.0) for line in lines]),
            "fluid": float(evaluate(60, {"arrivals": longer(rates, 60)})["first_served"].mean()),
        },
    }


def sampled_at(rates: FloatArray, load: float, days: int, seconds: int, times: FloatArray) -> list[Any]:
    """Return, by station, the mean number of the sampled model at some times."""
    places = (times * 60.0 / seconds).astype(int) - 1
    rows: list[list[FloatArray]] = [[] for _ in range(STATIONS)]
    for day in range(days):
        drawn = draw(rates, load, day)
        result = evaluate(seconds, {name: longer(values, seconds) for name, values in drawn.items()})
        for station, queue in enumerate(queues(result)):
            rows[station].append(queue[places])
    return [intervals(station) for station in rows]


def rush_load(minute: float) -> float:
    """Return the load of a day that is calm but for two hours."""
    return 1.5 if 120.0 <= minute < 240.0 else 0.5


def rush(speed: int, days: int) -> dict[str, Any]:
    """Return how many were at a station at most on a day with a rush, and when the line was gone.

    The station can do ``speed`` items a minute.  ``spread`` is the standard deviation of one day.
    """
    times = np.arange(0.0, RUSH_MINUTES + 0.5, 1.0)
    line = load_simulation().Line
    paths = [line(1, rush_load, RUSH_MINUTES, SEED + day, speed).number_at(0, times) for day in range(days)]
    loads = np.array([rush_load(minute) for minute in times[:-1]])
    fluid = np.concatenate([[0.0], queues(evaluate(60, {"arrivals": loads * speed, "work1": speed + 0.0 * loads}))[0]])
    most, gone = [float(path.max()) for path in paths], [emptied(path) for path in paths]
    return {
        "most": {"simpy": interval(most), "spread": statistics.stdev(most), "fluid": float(fluid.max())},
        "gone": {"simpy": interval(gone), "spread": statistics.stdev(gone), "fluid": emptied(fluid)},
    }


def emptied(path: FloatArray) -> float:
    """Return the first minute after the rush in which nobody is there; the end of the day where there is none."""
    calm = np.flatnonzero(path[240:] <= 0.0)
    return 240.0 + float(calm[0]) if calm.size else RUSH_MINUTES


# --- the tables of the page -------------------------------------------------------------------------------------


def tables(figures: Mapping[str, Any]) -> dict[str, tuple[Sequence[str], list[Sequence[str]]]]:
    """Return the columns and rows of each table of the page, by name."""
    loads = figures["steady"].items()
    bins = [bin_text(seconds) for seconds in BINS_S]
    coarse = [bin_text(seconds) for seconds in COUNTED_BINS_S]
    return {
        "number": (
            ("load", "exact", "SimPy", "fluid", *bins),
            [number_row(load, case) for load, case in loads],
        ),
        "counted": (
            ("load", "exact", *coarse),
            [
                (load, f"{case['theory']['number']:g}", *off_texts(case["counted"], case["theory"]["number"]))
                for load, case in loads
            ],
        ),
        "wait": (
            ("load", "wait, exact", "wait, SimPy", "time there, exact", "fluid", *bins),
            [wait_row(float(load), case) for load, case in loads],
        ),
        "line": (
            ("load", "station", "exact", "SimPy", "fluid", *bins),
            [line_row(load, case, station) for load, case in loads for station in range(STATIONS)],
        ),
        "throughput": (
            ("load", "exact", "SimPy", "fluid", "1 min"),
            [
                (
                    load,
                    load,
                    text(case["simpy"]["throughput"], 3),
                    f"{case['fluid']['throughput']:g}",
                    text(case["sampled"]["60"]["throughput"], 3),
                )
                for load, case in loads
            ],
        ),
        "overload": overload_table(figures["overload"]),
        "rush": (
            ("items a minute", "most: SimPy", "one day", "fluid", "gone at: SimPy", "one day", "fluid"),
            [(speed, *rush_cells(day["most"]), *rush_cells(day["gone"])) for speed, day in figures["rush"].items()],
        ),
        "kingman": (
            ("load", "exact", *(f"metric, {size}" for size in coarse)),
            [(load, f"{case['theory']['wait'] / 2.0:.3g}", *estimates(case, "alike")) for load, case in loads],
        ),
        "dispersion": (
            ("load", "exact", "SimPy", "Ca = Cs = 1", *(f"dispersion, {size}" for size in coarse)),
            [dispersion_row(load, case) for load, case in loads],
        ),
    }


def bin_text(seconds: int) -> str:
    """Return the length of a bin in words."""
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else "1 h"


def text(figure: Mapping[str, float], digits: int) -> str:
    """Return a mean and the half width of its interval."""
    return f"{figure['mean']:.{digits}f} ± {figure['half']:.{digits}f}"


def off_texts(cases: Mapping[str, Mapping[str, float]], exact: float) -> Sequence[str]:
    """Return means, each with how far it is from the exact value."""
    return [f"{case['mean']:.2f} ({percent(case['mean'] / exact - 1.0)})" for case in cases.values()]


def percent(share: float) -> str:
    """Return a deviation in whole percents, 0 without a sign."""
    whole = round(share * 100.0)
    return f"{whole:+d} %" if whole else "0 %"


def number_row(load: str, case: Mapping[str, Any], station: int = 0) -> Sequence[str]:
    """Return the number at a station under a steady load: exact, SimPy, fluid, and with chance by bin."""
    exact = case["theory"]["number"]
    sampled = {seconds: figures["number"][station] for seconds, figures in case["sampled"].items()}
    simpy = text(case["simpy"]["number"][station], 2)
    return (load, f"{exact:g}", simpy, f"{case['fluid']['number'][station]:g}", *off_texts(sampled, exact))


def line_row(load: str, case: Mapping[str, Any], station: int) -> Sequence[str]:
    """Return the same with the station said."""
    first, *others = number_row(load, case, station)
    return (first, str(station + 1), *others)


def wait_row(load: float, case: Mapping[str, Any]) -> Sequence[str]:
    """Return wait before service and time at the station, in minutes."""
    stay = 1.0 / (1.0 - load)
    sampled = {seconds: figures["time"] for seconds, figures in case["sampled"].items()}
    wait = text(case["simpy"]["wait"], 2)
    return (f"{load:g}", f"{case['theory']['wait']:.3g}", wait, f"{stay:.3g}", "0", *off_texts(sampled, stay))


def overload_table(case: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the number at each station, hour by hour."""
    rows: list[Sequence[str]] = []
    for place, minute in enumerate(case["times"]):
        row = [f"{minute / 60.0:.0f}"]
        for station in range(STATIONS):
            row += [text(case["simpy"][station][place], 1), f"{case['fluid'][station][place]:.0f}"]
            row.append(f"{case['sampled']['60'][station][place]['mean']:.1f}")
        rows.append(row)
    return (
        "hour",
        *(f"{station + 1}: {what}" for station in range(STATIONS) for what in ("SimPy", "fluid", "1 min")),
    ), rows


def rush_cells(figure: Mapping[str, Any]) -> Sequence[str]:
    """Return the mean day, how far single days are spread, and the fluid."""
    return text(figure["simpy"], 0), f"± {figure['spread']:.0f}", f"{figure['fluid']:.0f}"


def dispersion_row(load: str, case: Mapping[str, Any]) -> Sequence[str]:
    """Return the wait for services at random, exact and simulated, and Kingman's estimates in minutes."""
    known = (f"{case['theory']['wait']:.3g}", text(case["simpy"]["wait"], 2), f"{case['kingman']['classic']:.3g}")
    return (load, *known, *estimates(case, "random"))


def estimates(case: Mapping[str, Any], services: str) -> Sequence[str]:
    """Return Kingman's estimates by bin, for services that are alike or random."""
    return [f"{value:.2f}" for value in case["kingman"][services].values()]


# --- both sides -------------------------------------------------------------------------------------------------


def simulate(rate: Callable[[float], float], minutes: float, load: float, replication: int) -> Any:
    """Return a day of the line, item by item."""
    return load_simulation().Line(STATIONS, rate, minutes, seed=SEED + round(load * 100) * 100_000 + replication)


def load_simulation() -> ModuleType:
    """Import the example that simulates; needs SimPy."""
    if "line_simpy" not in sys.modules:
        spec = importlib.util.spec_from_file_location("line_simpy", EXAMPLES / "line_simpy.py")
        if spec is None or spec.loader is None:
            raise ImportError(str(EXAMPLES / "line_simpy.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules["line_simpy"] = module
        spec.loader.exec_module(module)
    return sys.modules["line_simpy"]


def constant(load: float, minutes: float) -> FloatArray:
    """Return expected arrivals for each of the shortest bins."""
    return np.full(int(minutes * 60.0 / FINEST_S), load * FINEST_S / 60.0)


def draw(rates: FloatArray, load: float, replication: int) -> dict[str, FloatArray]:
    """Return drawn counts for each of the shortest bins: arrivals, and what each station could do."""
    random = np.random.default_rng([SEED, round(load * 100), replication])
    drawn = {"arrivals": random.poisson(rates).astype(np.float64)}
    for station in range(STATIONS):
        drawn[f"work{station + 1}"] = random.poisson(FINEST_S / 60.0, rates.size).astype(np.float64)
    return drawn


def longer(values: FloatArray, seconds: int) -> FloatArray:
    """Return amounts of the shortest bins added up to longer ones."""
    summed: FloatArray = values.reshape(-1, seconds // FINEST_S).sum(axis=1)
    return summed


def evaluate(seconds: int, overrides: Mapping[str, FloatArray]) -> Result:
    """Evaluate the model of the line with bins of some length on series of that many bins."""
    return compiled(seconds, next(iter(overrides.values())).size).evaluate(overrides)


@functools.cache
def compiled(seconds: int, bins: int) -> CompiledModel:
    """Return the model of the line with that many bins of some length."""
    size, unit = (seconds, "seconds") if seconds < 60 else (seconds // 60, "minutes")
    rendered = flowtime.template(EXAMPLES / "line.yaml").render(
        {"bins": bins, "size": size, "unit": unit, "arrivals": 0.0, "work": seconds / 60.0}
    )
    return flowtime.compile(rendered)


def queues(result: Result) -> tuple[FloatArray, ...]:
    """Return the queue depth of each station."""
    return (result["first_queue"], result["second_queue"], result["third_queue"])


def interval(samples: Sequence[float]) -> dict[str, float]:
    """Return the mean and the half width of its 95 % interval."""
    spread = statistics.stdev(samples) / math.sqrt(len(samples))
    return {"mean": statistics.fmean(samples), "half": T_QUANTILE.get(len(samples), 1.96) * spread}


def intervals(rows: Sequence[FloatArray]) -> list[dict[str, float]]:
    """Return the same for each place of some rows."""
    return [interval(column.tolist()) for column in np.array(rows).T]


def main(arguments: Sequence[str]) -> int:
    """Compare; return the exit status."""
    if arguments == ["--write"]:
        store(compare(FULL))
    elif arguments == ["--write", "kingman"]:
        store(with_kingman(json.loads(STORED.read_text(encoding="utf-8"))))
    else:
        sys.stdout.write(json.dumps(rounded(compare(REDUCED)), indent=1) + "\n")
    return 0


def store(figures: Mapping[str, Any]) -> None:
    """Write the figures that the page shows."""
    text = json.dumps(rounded(figures), indent=1)
    STORED.write_text(text + "\n", encoding="utf-8", newline="\n")


def rounded(value: Any) -> Any:
    """Return figures with as many digits as they are worth."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
