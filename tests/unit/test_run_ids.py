"""Names of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from flowtime.runs import model_run_id, random_run_id, template_run_id, utc_text
from flowtime.storage import safe_id

HASH = "sha256:" + "0123456789abcdef" * 4
NOON = datetime(2025, 1, 31, 12, 0, 5, 250_000, tzinfo=UTC)


def test_a_random_id_tells_the_time() -> None:
    assert random_run_id(NOON, b"\x00\x01\xab\xff") == "run_20250131T120005Z_0001abff"


@pytest.mark.parametrize("hours", [0, 5, -11])
def test_times_are_utc_whatever_the_zone(hours: int) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=hours)))
    assert utc_text(local) == "2025-01-31T12:00:05.250Z"
    assert random_run_id(local, b"\x00" * 4) == "run_20250131T120005Z_00000000"


@pytest.mark.parametrize(
    ("template_id", "slug"),
    [
        pytest.param("web-frontend", "web-frontend", id="plain"),
        pytest.param("Web Frontend", "web-frontend", id="spaces and capitals"),
        pytest.param("a -- b", "a-b", id="dashes collapse"),
        pytest.param("../../etc", "etc", id="a path"),
        pytest.param("-x-", "x", id="trimmed"),
        pytest.param("äö", "template", id="nothing is left"),
        pytest.param("x" * 200, "x" * 58, id="long"),
    ],
)
def test_a_template_id_becomes_a_slug(template_id: str, slug: str) -> None:
    name = template_run_id(template_id, HASH)
    assert name == f"run_{slug}_{HASH.removeprefix('sha256:')}"
    assert safe_id(name, "run id") == name


def test_a_model_id_is_from_the_scenario() -> None:
    assert model_run_id(HASH) == "run_deterministic_0123456789abcdef"
