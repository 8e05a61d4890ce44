"""The folder of compiled kernels: named by what they depend on, filled by one process, removed on demand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from flowtime.engine import kernel_cache
from flowtime.errors import StorageError

WARM = """\
import sys
from pathlib import Path
from flowtime.engine.kernel_cache import info, warm

report = warm(Path(sys.argv[1]))
found = info(Path(sys.argv[1]))
print(report.compiled, found.is_warm, found.files > 2)
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the kernel sources, which the cache takes for the real ones."""
    spec = find_spec("flowtime_kernels")
    assert spec is not None
    copy = tmp_path / "flowtime_kernels"
    shutil.copytree(str(spec.origin).removesuffix("__init__.py"), copy, ignore=shutil.ignore_patterns("__pycache__"))
    other = ModuleSpec("flowtime_kernels", None, is_package=True)
    other.submodule_search_locations = [str(copy)]
    monkeypatch.setattr(kernel_cache, "find_spec", lambda _: other)
    return copy


def test_signature_is_stable(sources: Path, tmp_path: Path) -> None:
    first = kernel_cache.cache_folder(tmp_path)
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "scalars.pyc").write_bytes(b"1")
    assert kernel_cache.cache_folder(tmp_path) == first
    assert (first.parent, first.name[:8]) == (tmp_path, "kernels-")


@pytest.mark.parametrize(
    "file", ["scalars.py", "jit.py", "opcodes.py", "lanes.py"], ids=["leaf", "compiler", "codes", "entry"]
)
def test_signature_follows_each_byte_of_each_source(sources: Path, tmp_path: Path, file: str) -> None:
    before = kernel_cache.cache_folder(tmp_path)
    path = sources / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert kernel_cache.cache_folder(tmp_path) != before


def test_signature_follows_names_of_sources(sources: Path, tmp_path: Path) -> None:
    before = kernel_cache.cache_folder(tmp_path)
    (sources / "scalars.py").rename(sources / "scalar.py")
    assert kernel_cache.cache_folder(tmp_path) != before


def test_signature_follows_the_version_of_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kernel_cache.cache_folder(tmp_path)
    monkeypatch.setattr(kernel_cache, "version", lambda _: "0.0.1")
    assert kernel_cache.cache_folder(tmp_path) != before


def test_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWTIME_KERNEL_CACHE_DIR", str(tmp_path / "ours"))
    assert kernel_cache.cache_folder().parent == tmp_path / "ours"
    assert kernel_cache.cache_folder(tmp_path).parent == tmp_path


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have folders of their own")
def test_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWTIME_KERNEL_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel_cache.cache_folder().parent == tmp_path / "flowtime"


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    found = kernel_cache.info(tmp_path)
    assert (found.is_warm, found.files, found.bytes) == (False, 0, 0)
    assert found.signature == found.folder.name
    assert not found.folder.exists()


def test_clear_removes_every_version_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "kernels-old" / "inner").mkdir(parents=True)
    (tmp_path / "kernels-old" / "inner" / "a.nbc").write_bytes(b"1")
    (tmp_path / "kernels-old" / "warm").write_bytes(b"1")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").write_bytes(b"1")
    assert kernel_cache.clear(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert kernel_cache.clear(tmp_path) == 0


def test_clear_of_nothing(tmp_path: Path) -> None:
    assert kernel_cache.clear(tmp_path / "none") == 0


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file") as caught:
        kernel_cache.warm(tmp_path / "file")
    assert caught.value.hint is not None
    assert "FLOWTIME_KERNEL_CACHE_DIR" in caught.value.hint


def test_loading_again_is_the_same_module() -> None:
    assert kernel_cache.load_kernels() is kernel_cache.load_kernels()


def test_two_processes_that_warm_at_once_compile_once(tmp_path: Path) -> None:
    # Both are started before either is waited for; the compiler takes a quarter of a minute.
    processes = [
        subprocess.Popen([sys.executable, "-c", WARM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    lines = sorted(process.communicate(timeout=300)[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert lines == ["False True True", "True True True"]
    assert kernel_cache.info(tmp_path).is_warm
    assert kernel_cache.clear(tmp_path) > 2
