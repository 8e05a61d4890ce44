"""Settings: which source wins, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.errors import SettingsError
from flowtime.settings import Settings, load_settings, settings_table


def load(folder: Path, text: str = "", environ: dict[str, str] | None = None, **flags: object) -> Settings:
    (folder / "flowtime.toml").write_text(text, encoding="utf-8")
    return load_settings(folder=folder, environ=environ or {}, flags=flags)


def faults(folder: Path, text: str = "", environ: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, text, environ, **flags)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_hold_without_any_source(tmp_path: Path) -> None:
    assert load_settings(folder=tmp_path, environ={}, flags={}) == Settings()


@pytest.mark.parametrize(
    ("text", "environ", "flags", "limit_mb"),
    [
        pytest.param("series_csv_limit_mb = 2", {}, {}, 2, id="file over default"),
        pytest.param("series_csv_limit_mb = 2", {"FLOWTIME_SERIES_CSV_LIMIT_MB": "3"}, {}, 3, id="variable over file"),
        pytest.param(
            "series_csv_limit_mb = 2",
            {"FLOWTIME_SERIES_CSV_LIMIT_MB": "3"},
            {"series_csv_limit_mb": 4},
            4,
            id="flag over variable",
        ),
        pytest.param("series_csv_limit_mb = 2", {}, {"series_csv_limit_mb": None}, 2, id="a flag that was not given"),
        pytest.param(
            "series_csv_limit_mb = 2", {"FLOWTIME_SERIES_CSV_LIMIT_MB": ""}, {}, 2, id="an empty variable is unset"
        ),
        pytest.param("", {"PATH": "x", "FLOW": "y"}, {}, 64, id="other variables"),
        pytest.param("\ufeffseries_csv_limit_mb = 2", {}, {}, 2, id="byte order mark"),
    ],
)
def test_the_later_source_wins(
    tmp_path: Path, text: str, environ: dict[str, str], flags: dict[str, object], limit_mb: int
) -> None:
    assert load(tmp_path, text, environ, **flags).series_csv_limit_mb == limit_mb


def test_a_path_may_be_a_flag(tmp_path: Path) -> None:
    assert load(tmp_path, runs_dir=Path("elsewhere")).runs_dir == "elsewhere"


@pytest.mark.parametrize(
    ("text", "environ", "flags", "expected"),
    [
        pytest.param(
            "series_csv_limit_mb = 1\nrun_dir = 'x'",
            {},
            {},
            "flowtime.toml:2: unknown setting run_dir [settings.unknown]\n    hint: did you mean runs_dir?",
            id="file, unknown",
        ),
        pytest.param(
            "",
            {"FLOWTIME_DURABLITY": "1"},
            {},
            "unknown setting FLOWTIME_DURABLITY [settings.unknown]\n    hint: did you mean FLOWTIME_DURABILITY?",
            id="variable, unknown",
        ),
        pytest.param(
            "",
            {},
            {"run_dir": "1"},
            "unknown setting --run-dir [settings.unknown]\n    hint: did you mean --runs-dir?",
            id="flag, unknown",
        ),
        pytest.param(
            "\n\nseries_csv_limit_mb = '2'",
            {},
            {},
            "flowtime.toml:3: series_csv_limit_mb must be an integer from 1 to 1000000, not '2' [settings.wrong_value]",
            id="file, text for a number",
        ),
        pytest.param(
            "",
            {"FLOWTIME_SERIES_CSV_LIMIT_MB": "-1"},
            {},
            "FLOWTIME_SERIES_CSV_LIMIT_MB must be an integer from 1 to 1000000, not '-1' [settings.wrong_value]",
            id="variable, out of range",
        ),
        pytest.param(
            "",
            {},
            {"series_csv": "often"},
            "--series-csv must be one of always, auto, never, not 'often' [settings.wrong_value]",
            id="flag, not a choice",
        ),
        pytest.param(
            "runs_dir = ''",
            {},
            {},
            "flowtime.toml:1: runs_dir must be a folder, not '' [settings.wrong_value]",
            id="empty",
        ),
        pytest.param(
            "series_csv_limit_mb = \n",
            {},
            {},
            "flowtime.toml:1:23: not valid TOML: Invalid value [settings.syntax]",
            id="syntax",
        ),
        pytest.param(
            "[series_csv_limit_mb]\nx = 1",
            {},
            {},
            "flowtime.toml:1: series_csv_limit_mb must be an integer from 1 to 1000000, not {'x': 1} "
            "[settings.wrong_value]",
            id="a table",
        ),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, text: str, environ: dict[str, str], flags: dict[str, object], expected: str
) -> None:
    assert faults(tmp_path, text, environ, **flags) == [expected]


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "series_csv_limit_mb = -1\nnonsense = 1", {"FLOWTIME_DURABILITY": "none"}, series_csv="x")
    assert len(found) == 4


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "flowtime.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="can not read the settings"):
        load_settings(folder=tmp_path, environ={}, flags={})


def test_the_table_describes_every_setting() -> None:
    table = settings_table()
    assert [row.name for row in table] == list(Settings.__struct_fields__)
    assert all(row.description.endswith(".") or ":" in row.description for row in table)
    assert table[0][:4] == ("runs_dir", "a folder", "runs", "FLOWTIME_RUNS_DIR")
