"""A run from request to published folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diskfakes import fill_disk_after
from flowtime.errors import ParameterError, RunConflictError, StorageError, UnsafeNameError
from flowtime.orchestration import RunEnvelope
from flowtime.runs import list_runs
from flowtime.settings import Settings
from runfakes import DAY_ONE, DAY_TWO, MODEL_TEXT, FakeEngine, a_model, files_of, hashed_files_of, rendered, simulate

SLOWER = MODEL_TEXT.replace("2.5", "1.5")
WITH_RNG = MODEL_TEXT + "rng: {kind: mt19937, seed: 5}\n"
WITH_PCG = MODEL_TEXT + "rng: {kind: pcg32, seed: 5}\n"


def metadata(envelope: RunEnvelope) -> Any:
    assert envelope.metadata is not None
    return envelope.metadata


def plan(envelope: RunEnvelope) -> Any:
    assert envelope.plan is not None
    return envelope.plan


def test_a_run_is_published_and_described(tmp_path: Path) -> None:
    envelope = simulate(tmp_path / "runs")
    assert metadata(envelope).run_id == "run_20250101T080000Z_00000001"
    assert [run.run_id for run in list_runs(tmp_path / "runs")] == ["run_20250101T080000Z_00000001"]
    assert (envelope.is_dry_run, envelope.plan, envelope.can_replay, envelope.was_reused) == (False, None, True, False)
    assert [warning.code for warning in envelope.warnings] == ["served_exceeds_capacity"]


def test_the_envelope_shows_no_absolute_path(tmp_path: Path) -> None:
    envelope = simulate(tmp_path)
    assert metadata(envelope).storage.model_path == "model/model.yaml"
    assert str(tmp_path) not in repr(envelope)


@pytest.mark.parametrize("choice", ["always", "never"])
def test_the_envelope_says_which_artifacts_are_there(tmp_path: Path, choice: str) -> None:
    artifacts = simulate(tmp_path, series_csv=choice).artifacts
    assert artifacts is not None
    assert (artifacts.series_csv, artifacts.series_matrix) == (choice == "always", True)
    assert (artifacts.model, artifacts.metadata, artifacts.provenance) == (True, True, False)


def test_progress_is_told_step_by_step(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    simulate(tmp_path, progress=lambda step, done, total: told.append((step, done, total)))
    assert [step for step, done, total in told if done == total] == ["compile", "evaluate", "write", "publish"]
    assert [(done, total) for step, done, total in told if step == "write"] == [(n, 5) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        pytest.param({"run_id": "mine"}, "mine", id="explicit"),
        pytest.param({"run_id": "mine", "deterministic": True}, "mine", id="explicit wins"),
        pytest.param({}, "run_20250101T080000Z_00000001", id="random"),
    ],
)
def test_the_id_is_as_asked(tmp_path: Path, request_fields: dict[str, Any], expected: str) -> None:
    assert metadata(simulate(tmp_path, **request_fields)).run_id == expected


def test_a_deterministic_id_of_a_model_is_from_its_scenario(tmp_path: Path) -> None:
    found = metadata(simulate(tmp_path, deterministic=True))
    assert found.run_id == "run_deterministic_" + found.scenario_hash[7:23]


def test_a_deterministic_id_of_a_template_is_from_its_inputs(tmp_path: Path) -> None:
    found = metadata(simulate(tmp_path, source=rendered(), deterministic=True))
    assert found.run_id == "run_web-frontend_" + found.input_hash[7:]
    assert (found.template_title, found.template_version) == ("Web front end", "1.2.0")


@pytest.mark.parametrize("run_id", ["../up", "/etc", "", "con", ".hidden"])
def test_an_unsafe_id_reaches_no_disk(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UnsafeNameError):
        simulate(tmp_path / "runs", run_id=run_id)
    assert list(tmp_path.iterdir()) == []


def test_the_same_inputs_are_reused(tmp_path: Path) -> None:
    engine = FakeEngine()
    first = simulate(tmp_path, engine=engine, run_id="one")
    before = files_of(tmp_path)
    second = simulate(tmp_path, engine=engine, run_id="one", day=DAY_TWO)
    assert (first.was_reused, second.was_reused, engine.evaluations) == (False, True, 1)
    assert metadata(second) == metadata(first)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"model": a_model(SLOWER)}, id="another model"),
        pytest.param({"seed": 3}, id="another seed"),
        pytest.param({"source": rendered()}, id="a template"),
    ],
)
def test_other_inputs_are_a_conflict_naming_both_hashes(tmp_path: Path, other: dict[str, Any]) -> None:
    first = metadata(simulate(tmp_path, run_id="one")).input_hash
    asked = plan(simulate(tmp_path, run_id="one", dry_run=True, **other)).input_hash
    before = files_of(tmp_path)
    with pytest.raises(RunConflictError) as caught:
        simulate(tmp_path, run_id="one", **other)
    assert first in caught.value.message
    assert asked in caught.value.message
    assert files_of(tmp_path) == before


def test_overwrite_replaces_the_run(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one")
    envelope = simulate(tmp_path, run_id="one", model=a_model(SLOWER), overwrite=True, day=DAY_TWO)
    assert not envelope.was_reused
    assert [(run.run_id, run.created_utc) for run in list_runs(tmp_path)] == [("one", "2026-07-31T23:59:59.000Z")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunConflictError, match="is no run"):
        simulate(tmp_path, run_id="one", overwrite=overwrite)
    assert files_of(tmp_path) == {"one/thesis.tex": b"years of work"}


def test_a_run_that_was_published_meanwhile_is_reused(tmp_path: Path) -> None:
    engine = FakeEngine(lambda _arrays: simulate(tmp_path, run_id="one") and None)
    assert simulate(tmp_path, run_id="one", engine=engine).was_reused
    assert [run.run_id for run in list_runs(tmp_path)] == ["one"]


def test_another_run_that_was_published_meanwhile_is_a_conflict(tmp_path: Path) -> None:
    engine = FakeEngine(lambda _arrays: simulate(tmp_path, run_id="one", seed=9) and None)
    with pytest.raises(RunConflictError):
        simulate(tmp_path, run_id="one", engine=engine)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]


def test_a_full_disk_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk_after(monkeypatch, 1000)
    with pytest.raises(StorageError) as caught:
        simulate(tmp_path, run_id="one", settings=Settings(durability="power"))
    assert caught.value.code == "storage.full"
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_that_fails_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        simulate(tmp_path, run_id="one", engine=FakeEngine(lambda _arrays: 1 // 0 and None))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_writes_and_evaluates_nothing(tmp_path: Path) -> None:
    engine = FakeEngine()
    envelope = simulate(tmp_path / "runs", engine=engine, dry_run=True, run_id="one")
    assert (envelope.is_dry_run, envelope.metadata, envelope.can_replay) == (True, None, False)
    assert engine.evaluations == 0
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_foretells_the_run(tmp_path: Path) -> None:
    foretold = plan(simulate(tmp_path, dry_run=True, run_id="one"))
    found = metadata(simulate(tmp_path, run_id="one"))
    written = hashed_files_of(tmp_path / "one")
    assert (foretold.run_id, foretold.input_hash, foretold.grid) == ("one", found.input_hash, found.grid)
    assert {file.path for file in foretold.files} == set(written)
    assert 0.5 < foretold.estimated_bytes / sum(map(len, written.values())) < 2


@pytest.mark.parametrize(
    ("model", "existing", "reuse"),
    [
        pytest.param(MODEL_TEXT, True, True, id="the same"),
        pytest.param(SLOWER, True, False, id="another"),
    ],
)
def test_a_dry_run_tells_what_is_there(tmp_path: Path, model: str, existing: bool, reuse: bool) -> None:
    simulate(tmp_path, run_id="one")
    foretold = plan(simulate(tmp_path, run_id="one", model=a_model(model), dry_run=True))
    assert (foretold.exists, foretold.would_reuse) == (existing, reuse)


def test_a_dry_run_can_not_know_a_random_id(tmp_path: Path) -> None:
    foretold = plan(simulate(tmp_path, dry_run=True))
    assert foretold.run_id is None
    assert foretold.deterministic_run_id.startswith("run_deterministic_")


@pytest.mark.parametrize(
    ("text", "seed", "expected"),
    [
        pytest.param(MODEL_TEXT, None, None, id="none"),
        pytest.param(MODEL_TEXT, 3, ("pcg32", 3), id="asked for"),
        pytest.param(WITH_RNG, None, ("mt19937", 5), id="of the model"),
        pytest.param(WITH_RNG, 0, ("mt19937", 0), id="asked for, over that of the model"),
    ],
)
def test_the_seed_is_recorded(tmp_path: Path, text: str, seed: int | None, expected: Any) -> None:
    rng = metadata(simulate(tmp_path, model=a_model(text), seed=seed)).rng
    assert (rng and (rng.kind, rng.seed)) == expected


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(tmp_path: Path, seed: int, sample: bool) -> None:
    with pytest.raises(ParameterError, match="the seed must be from 0"):
        simulate(tmp_path, seed=seed, sample=sample)


@pytest.mark.parametrize(
    ("text", "request_fields", "expected"),
    [
        pytest.param(MODEL_TEXT, {}, None, id="not asked for"),
        pytest.param(MODEL_TEXT, {"seed": 3}, None, id="a seed alone"),
        pytest.param(WITH_RNG, {}, None, id="the model's seed alone"),
        pytest.param(MODEL_TEXT, {"sample": True}, 0, id="without a seed"),
        pytest.param(MODEL_TEXT, {"sample": True, "seed": 3}, 3, id="from a seed"),
        pytest.param(WITH_PCG, {"sample": True}, 5, id="from the model's seed"),
        pytest.param(WITH_PCG, {"sample": True, "seed": 0}, 0, id="from a seed, over that of the model"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_the_engine_draws_only_where_asked_to(
    tmp_path: Path, text: str, request_fields: dict[str, Any], expected: int | None, dry_run: bool
) -> None:
    engine = FakeEngine()
    envelope = simulate(tmp_path, model=a_model(text), engine=engine, dry_run=dry_run, **request_fields)
    rng = (envelope.plan or metadata(envelope)).rng
    assert engine.seeds == [expected]
    assert (rng is not None and rng.sampled) == (expected is not None)


def test_a_sampled_run_has_hashes_of_its_own(tmp_path: Path) -> None:
    asked = [{"seed": 3}, {"seed": 3, "sample": True}, {"seed": 4, "sample": True}, {"sample": True}]
    plans = [plan(simulate(tmp_path, dry_run=True, **fields)) for fields in asked]
    assert len({found.input_hash for found in plans}) == 4
    assert len({found.scenario_hash for found in plans}) == 4
    assert len({found.deterministic_run_id for found in plans}) == 4
    assert len({found.model_hash for found in plans}) == 1


def test_a_sampled_run_does_not_stand_for_one_that_is_not(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one", seed=3)
    with pytest.raises(RunConflictError):
        simulate(tmp_path, run_id="one", seed=3, sample=True)
    simulate(tmp_path, run_id="two", seed=3, sample=True)
    assert simulate(tmp_path, run_id="two", seed=3, sample=True).was_reused


def test_a_generator_that_we_do_not_have_is_not_replaced_by_ours(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="mt19937") as caught:
        simulate(tmp_path, model=a_model(WITH_RNG), sample=True, seed=1)
    assert caught.value.code == "parameter.rng_kind"
    assert list(tmp_path.iterdir()) == []


def test_two_runs_on_two_days_differ_in_times_alone(tmp_path: Path) -> None:
    for place, day in (("here", DAY_ONE), ("there", DAY_TWO)):
        simulate(tmp_path / place, source=rendered(), run_id="one", seed=1, day=day)
    here, there = (hashed_files_of(tmp_path / place / "one") for place in ("here", "there"))
    differing = {path for path in here if here[path] != there.get(path)}
    assert list(here) == list(there)
    assert differing == {"run.json", "manifest.json", "model/metadata.json", "model/provenance.json"}
    first, second = b"2025-01-01T08:00:00.000Z", b"2026-07-31T23:59:59.000Z"
    assert [path for path in differing - {"manifest.json"} if here[path] != there[path].replace(second, first)] == []


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param(rendered(), rendered(), True, id="the same"),
        pytest.param(rendered(), rendered(parameters={"steps": (1, 2), "rate": 2}), True, id="order of parameters"),
        pytest.param(rendered(), rendered(parameters={"rate": 3.0, "steps": (1, 2)}), False, id="a parameter"),
        pytest.param(rendered(), rendered(template_hash="sha256:" + "0" * 64), False, id="text of the template"),
        pytest.param(rendered(), rendered(template_version="1.2.1"), False, id="version of the template"),
        pytest.param(rendered(), rendered(title="Another"), True, id="title"),
        pytest.param(a_model(), a_model("# a comment\n" + MODEL_TEXT), True, id="a comment"),
        pytest.param(a_model(), a_model(SLOWER), False, id="a value"),
        pytest.param(
            a_model(MODEL_TEXT + "provenance: {generatedAt: '2025-01-01T00:00:00Z'}"),
            a_model(MODEL_TEXT + "provenance: {generatedAt: '2026-01-01T00:00:00Z'}"),
            True,
            id="when the model was made",
        ),
    ],
)
def test_the_input_hash_is_of_the_request(tmp_path: Path, left: Any, right: Any, same: bool) -> None:
    hashes = {plan(simulate(tmp_path, source=source, dry_run=True)).input_hash for source in (left, right)}
    assert len(hashes) == (1 if same else 2)
