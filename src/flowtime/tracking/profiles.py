"""The profiles of the steps of a run, as pyinstrument shows them (the extra ``profile``)."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowtime.errors import MissingExtraError, RunCorruptError, RunNotFoundError
from flowtime.tracking.run_files import RunFiles, read_document

__all__ = ["FORMATS", "ProfileFormat", "profiled_steps", "render_profile"]

ProfileFormat: TypeAlias = Literal["text", "html", "speedscope", "json"]
FORMATS: tuple[ProfileFormat, ...] = ("text", "html", "speedscope", "json")
_SUFFIX = ".json"


def profiled_steps(folder: Path) -> list[str]:
    """Return the steps of a run that there is a profile of, of a live run too.

    Raises RunNotFoundError, RunCorruptError and StorageError.
    """
    document = read_document(folder)
    known = [step["stepId"] for step in document["steps"] if step.get("profile")]
    try:
        stems = sorted(path.stem for path in RunFiles(folder).profiles.iterdir() if path.suffix == _SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return known
    named = {RunFiles(folder).profile(step).stem for step in known}
    # What run.json does not tell of yet goes by the name of its file.
    return known + [stem for stem in stems if stem not in named]


def render_profile(
    folder: Path, step: str, shape: ProfileFormat = "text", *, color: bool = False, unicode: bool = True
) -> str:
    """Return the profile of a step, in one of ``FORMATS``; a text with colors, and without characters beyond ASCII,
    as asked.

    Raises RunNotFoundError (``run.profile_not_found``) where there is none, MissingExtraError without pyinstrument,
    RunCorruptError for a file that is none, and what ``profiled_steps`` does.
    """
    path = _profile_path(folder, step)
    try:
        from pyinstrument import renderers
        from pyinstrument.session import Session
    except ImportError as error:
        raise MissingExtraError("profiles need pyinstrument", hint="pip install 'flowtime[profile]'") from error
    try:
        session = Session.load(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunCorruptError(f"{path.name} of {folder.name} is no profile: {error}") from error
    session.target_description = f"step {step} of run {folder.name}"
    renderer: Any
    if shape == "text":
        renderer = renderers.ConsoleRenderer(unicode=unicode, color=color)
    elif shape == "html":
        renderer = renderers.HTMLRenderer()
    elif shape == "speedscope":
        renderer = renderers.SpeedscopeRenderer()
    else:
        renderer = renderers.JSONRenderer()
    return str(renderer.render(session))


def _profile_path(folder: Path, step: str) -> Path:
    known = profiled_steps(folder)
    if step in known:
        return RunFiles(folder).profile(step)
    close = get_close_matches(step, known, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    else:
        hint = f"there are profiles of {', '.join(known)}" if known else "steps are profiled by step(..., profile=True)"
    message = f"there is no profile of the step {step!r} in {folder.name}"
    raise RunNotFoundError(message, code="run.profile_not_found", hint=hint)
