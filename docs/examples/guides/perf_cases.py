"""Performance cases of a shop: what is timed, what its result must be."""

from pathlib import Path

from flowtime.tracking.perf import Case, Timed, require

LINES = [f"day {day}: {day * 17} orders" for day in range(2_000)]


def write_report(folder: Path, size: str) -> Timed:
    """Time the report of the package; data is made here, outside the clock."""
    from shop import write_report

    lines = LINES if size == "full" else LINES[:3]
    path = folder / "report.txt"
    return Timed(
        lambda: write_report(path, lines),
        lambda _result: require(path.read_text().count("\n") == len(lines), "a line is missing"),
    )


def raw_write(folder: Path, size: str) -> Timed:
    """Time the least that a report could take: what the disk does."""
    data = "\n".join(LINES).encode()
    return Timed(lambda: (folder / "raw").write_bytes(data), lambda count: require(count == len(data), "cut short"))


# The same as a registry: `flowtime perf run perf_cases:CASES`.
CASES = (Case("write_report", write_report), Case("raw_write", raw_write, gate=False))

if __name__ == "__main__":
    print(*(case.name for case in CASES))
