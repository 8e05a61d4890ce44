"""The two checkouts that a gate compares: the head as it lies there, the base as a git worktree beside it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from flowtime.errors import PerfError

__all__ = ["Commit", "base_commit", "base_worktree", "head_commit", "repository_root"]

# What decides which packages are installed; where it differs, one environment does not serve both sides.
DEPENDENCY_FILES = ("pyproject.toml", "setup.cfg", "setup.py", "requirements.txt", "uv.lock", "poetry.lock")


class Commit(NamedTuple):
    """What lies in a checkout: its commit (None outside git), whether files differ from it, what it depends on."""

    sha: str | None
    is_dirty: bool
    dependencies: str


def repository_root(folder: Path) -> Path | None:
    """Return the root of the checkout that a folder is in; None outside git."""
    done = _git(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.strip()) if done is not None and done.returncode == 0 else None


def head_commit(root: Path, *, apart_from: Path | None = None) -> Commit:
    """Say what lies in a checkout; what is in the folder ``apart_from``, such as that of the runs, is no change."""
    done = _git(root, "rev-parse", "HEAD")
    if done is None or done.returncode != 0:
        return Commit(None, False, _dependencies(root))
    changed = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", ".", *_without(root, apart_from))
    return Commit(done.stdout.strip(), bool(changed and changed.stdout.strip()), _dependencies(root))


def _without(root: Path, folder: Path | None) -> list[str]:
    """Return what makes git leave a folder out, where it is one below the root."""
    if folder is None or not folder.resolve().is_relative_to(root.resolve()):
        return []
    inner = folder.resolve().relative_to(root.resolve()).as_posix()
    return [] if inner == "." else [f":(exclude,literal){inner}"]


def base_commit(root: Path, ref: str) -> str | None:
    """Return the commit where ``ref`` and HEAD parted; None where they have nothing in common.

    Raises PerfError ``perf.ref`` where there is no such ref, or no repository.
    """
    # A ref that starts with a dash would be an option of git.
    known = None if ref.startswith("-") else _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if known is None or known.returncode != 0:
        raise PerfError(f"there is no commit {ref!r} to compare with", code="perf.ref", hint="name a branch or a sha")
    done = _git(root, "merge-base", known.stdout.strip(), "HEAD")
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


@contextmanager
def base_worktree(root: Path, sha: str, folder: Path) -> Iterator[Path]:
    """Check out ``sha`` into ``folder`` for the length of the block.  Raises PerfError ``perf.checkout``."""
    _git(root, "worktree", "prune")
    done = _git(root, "worktree", "add", "--quiet", "--force", "--detach", str(folder), sha)
    if done is None or done.returncode != 0:
        said = "git is not installed" if done is None else done.stderr.strip()
        raise PerfError(f"the base can not be checked out: {said}", code="perf.checkout")
    try:
        _date(folder)
        yield folder
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))
        _git(root, "worktree", "prune")


def _date(folder: Path) -> None:
    """Give all files the time of the commit, so that what was compiled for it last time is still valid."""
    done = _git(folder, "show", "--no-patch", "--format=%ct", "HEAD")
    if done is None or not done.stdout.strip().isdigit():
        return
    moment = int(done.stdout)
    for path in folder.rglob("*.py"):
        with suppress(OSError):  # a link to nowhere; it is compiled anew then
            os.utime(path, (moment, moment))


def _dependencies(root: Path) -> str:
    digest = hashlib.sha256()
    for name in DEPENDENCY_FILES:
        with suppress(OSError):  # most projects have one or two of them
            digest.update(name.encode() + (root / name).read_bytes())
    return digest.hexdigest()[:16]


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str] | None:
    """Run git there; None where it is not installed or the folder is not."""
    # In a hook git sets GIT_DIR, which would win over the folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, env=environment
        )
    except OSError:
        return None
