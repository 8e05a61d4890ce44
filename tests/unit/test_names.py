"""Names that may, and may not, reach the disk."""

from __future__ import annotations

import pytest

from flowtime.errors import UnsafeNameError
from flowtime.storage import safe_id, safe_relative

SAFE_IDS = ["a", "run_20250101T000000Z_0a1b2c3d", "A.b-c_d", "7", "x" * 128, "console", "com10", "a.b.c"]
UNSAFE_IDS = [
    "", ".", "..", "a..b", ".hidden", "-flag", "_x", "a/b", "a\\b", "/etc", "C:", "a b", "a\n", "a\x00", "é", "x" * 129,
    "a.", "con", "CON", "nul.txt", "com1", "Lpt9.log", "a\u202e", "٣",
]  # fmt: skip
SAFE_PATHS = ["run.json", "series/a@A@DEFAULT.csv", "series/a@A@DEFAULT~2.csv", "a/b/c", "é/ü.csv"]
UNSAFE_PATHS = [
    "", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/./b", "a\\b", "C:/a", "a/nul", "a/con.csv", "a.", "a ",
    "a\x00b", "a\nb", "a?", "a/" + "x" * 256, "a/\udc80",
]  # fmt: skip


@pytest.mark.parametrize("text", SAFE_IDS)
def test_safe_ids_pass_unchanged(text: str) -> None:
    assert safe_id(text, "run id") == text


@pytest.mark.parametrize("text", UNSAFE_IDS, ids=repr)
def test_unsafe_ids_are_refused(text: str) -> None:
    with pytest.raises(UnsafeNameError, match="can not be a run id"):
        safe_id(text, "run id")


@pytest.mark.parametrize("path", SAFE_PATHS)
def test_safe_paths_pass_unchanged(path: str) -> None:
    assert safe_relative(path) == path


@pytest.mark.parametrize("path", UNSAFE_PATHS, ids=ascii)
def test_unsafe_paths_are_refused(path: str) -> None:
    with pytest.raises(UnsafeNameError, match="safe relative path"):
        safe_relative(path)
