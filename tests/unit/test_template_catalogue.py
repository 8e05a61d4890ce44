"""Finding templates: folders of the user before the shipped catalogue, ids checked, broken files shown."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flowtime.errors import TemplateError, UnsafeNameError
from flowtime.templates import details, find_template, list_templates, shipped_folder, summary, template
from templatefakes import template_text

SHIPPED = [
    "document-processing",
    "http-service",
    "incident-retry",
    "llm-inference",
    "manufacturing-line",
    "microservices",
    "multi-class-support",
    "order-system",
    "shared-database",
    "supply-chain",
    "taxi-dispatch",
    "warehouse-waves",
    "web-frontend",
]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"
ELB, TAXI, LLM = (
    REAL / name for name in ("elb_request_count_8c0756.csv", "nyc_taxi.csv", "AzureLLMInferenceTrace_code.csv")
)
FIRST_BIN = datetime(2023, 11, 16, 18, 17)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good and one broken template, and one that hides a shipped one."""
    (tmp_path / "small.yaml").write_text(template_text(), "utf-8")
    (tmp_path / "broken.yaml").write_text(template_text().replace("1.2.3", "one"), "utf-8")
    (tmp_path / "http-service.yaml").write_text(template_text().replace("id: small", "id: http-service"), "utf-8")
    (tmp_path / "notes.txt").write_text("no template", "utf-8")
    return tmp_path


def test_shipped_catalogue_is_whole() -> None:
    infos = list_templates()
    assert [info.id for info in infos] == SHIPPED
    assert all(info.is_shipped and info.header and not info.faults for info in infos)


def test_listing_shows_what_is_broken(folder: Path) -> None:
    found = {info.id: info for info in list_templates([folder])}
    assert sorted(found) == sorted([*SHIPPED, "broken", "small"])
    assert found["broken"].header is None
    assert [fault.code for fault in found["broken"].faults] == ["template.bad_value"]


def test_folder_of_the_user_comes_first(folder: Path) -> None:
    hidden = {info.id: info.is_shipped for info in list_templates([folder])}
    assert (hidden["http-service"], hidden["web-frontend"]) == (False, True)
    assert find_template("http-service", [folder]).header.metadata.title == "Small"


def test_folder_that_is_absent_is_empty(tmp_path: Path) -> None:
    assert [info.id for info in list_templates([tmp_path / "none"])] == SHIPPED


@pytest.mark.parametrize("as_path", [pytest.param(True, id="path"), pytest.param(False, id="text")])
def test_template_by_the_path_of_its_file(folder: Path, as_path: bool) -> None:
    path = folder / "small.yaml"
    assert find_template(path if as_path else str(path)).id == "small"


def test_template_by_id() -> None:
    assert template("web-frontend").id == "web-frontend"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("web-fronted", "did you mean 'web-frontend'?", id="near"),
        pytest.param("zzz", f"there are {', '.join(SHIPPED)}", id="far"),
    ],
)
def test_unknown_id(name: str, hint: str) -> None:
    with pytest.raises(TemplateError) as caught:
        find_template(name)
    assert (caught.value.code, caught.value.faults[0].hint) == ("template.not_found", hint)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("..", id="parent"),
        pytest.param("", id="empty"),
        pytest.param("a b", id="blank"),
        pytest.param("con", id="device"),
        pytest.param("a\x00b", id="zero byte"),
        pytest.param("x" * 200, id="long"),
    ],
)
def test_id_that_must_not_reach_the_disk(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        find_template(name)


def test_id_and_file_name_must_agree(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(template_text(), "utf-8")
    with pytest.raises(TemplateError) as caught:
        find_template("other", [tmp_path])
    assert caught.value.code == "template.id_mismatch"


def test_messages_do_not_say_where_flowtime_is_installed() -> None:
    assert template("web-frontend").file == "catalog/web-frontend.yaml"


def test_summary_of_a_broken_template(folder: Path) -> None:
    (broken,) = [summary(info) for info in list_templates([folder]) if info.id == "broken"]
    assert (broken.title, broken.version, broken.tags) == (None, None, ())
    assert broken.faults[0].line == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_template_tells_what_it_is_for(name: str) -> None:
    about = details(template(name).header)
    assert about.narrative
    assert about.question is not None
    assert about.question.endswith("?")
    assert about.tags
    assert all(item.title and item.description and item.unit for item in about.parameters)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_parameters_have_defaults_and_bounds(name: str) -> None:
    parameters = template(name).parameters
    numbers = [item for item in parameters if item.type != "string"]
    assert not any(item.required for item in parameters)
    assert all(item.low is not None and item.high is not None for item in numbers)


def test_packaged_counts_are_those_of_the_benchmark() -> None:
    if not ELB.is_file():
        pytest.skip("../shared/data/real is not here")
    original = [line.split(",") for line in ELB.read_text("utf-8").splitlines()]
    stamps = [stamp for stamp, _ in original]
    first = stamps.index("2014-04-22 00:04:00")
    expected = [f"{index},{float(count):g}" for index, (_, count) in enumerate(original[first : first + 576])]
    packaged = (shipped_folder() / "data" / "elb_requests.csv").read_text("utf-8").splitlines()
    assert packaged == ["bin_index,value", *expected]
    assert stamps[first + 575] == "2014-04-23 23:59:00"


def test_packaged_passengers_are_those_of_the_benchmark() -> None:
    if not TAXI.is_file():
        pytest.skip("../shared/data/real is not here")
    original = [line.split(",") for line in TAXI.read_text("utf-8").splitlines()]
    first = [stamp for stamp, _ in original].index("2014-12-29 00:00:00")
    expected = [f"{index},{float(count):g}" for index, (_, count) in enumerate(original[first : first + 336])]
    packaged = (shipped_folder() / "data" / "nyc_taxi_new_year.csv").read_text("utf-8").splitlines()
    assert packaged == ["bin_index,value", *expected]
    assert original[first + 335][0] == "2015-01-04 23:30:00"


def test_packaged_tokens_are_those_of_the_trace() -> None:
    if not LLM.is_file():
        pytest.skip("../shared/data/real is not here")
    log = [line.split(",") for line in LLM.read_text("utf-8").splitlines()[1:]]
    bins = [(datetime.fromisoformat(stamp[:26]) - FIRST_BIN) // timedelta(seconds=30) for stamp, _, _ in log]
    sums = [Counter(bins), Counter[int](), Counter[int]()]
    for index, (_, context, generated) in zip(bins, log, strict=True):
        sums[1][index] += int(context)
        sums[2][index] += int(generated)
    expected = [f"{index},{sums[0][index]},{sums[1][index]},{sums[2][index]}" for index in range(115)]
    packaged = (shipped_folder() / "data" / "azure_llm_code.csv").read_text("utf-8").splitlines()
    assert packaged == ["bin_index,requests,context_tokens,generated_tokens", *expected]
    assert max(bins) == 114


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("elb_requests.csv", "522788f45590fc8568118eecdff158d648196fed3cc964ac163386fd4ae962fc"),
        ("nyc_taxi_new_year.csv", "e894d9bcc91d6d40c8ee772a41e98927629cf309147b8ecdd3dacbf9e27d6f31"),
        ("azure_llm_code.csv", "0ea75bddd5a9d560ee91e19039fcda2c55cf6b1a6ed5bfe1fc6c93a9a00b5c95"),
    ],
)
def test_packaged_data_is_unchanged(name: str, digest: str) -> None:
    data = (shipped_folder() / "data" / name).read_bytes()
    assert hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest() == digest


@pytest.mark.parametrize(
    ("name", "license_file", "words"),
    [
        pytest.param("elb_requests.csv", "LICENSE-NAB.txt", "Permission is hereby granted, free of charge", id="elb"),
        pytest.param("nyc_taxi_new_year.csv", "LICENSE-NAB.txt", "Numenta", id="taxi"),
        pytest.param("azure_llm_code.csv", "LICENSE-AZURE.txt", "creativecommons.org/licenses/by/4.0", id="llm"),
    ],
)
def test_packaged_data_tells_its_source_and_license(name: str, license_file: str, words: str) -> None:
    folder = shipped_folder() / "data"
    about = (folder / "README.md").read_text("utf-8")
    assert f"| `{name}` |" in about
    assert license_file in about
    assert words in (folder / license_file).read_text("utf-8")
