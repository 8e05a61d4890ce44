"""Where templates are found: folders of the user first, then the catalogue that comes with flowtime.

A template is the file ``<id>.yaml`` of a folder.  A folder nearer to the front hides an equal id behind
it.  A file that is no valid template is listed with its faults, never left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from flowtime.errors import Fault, StorageError, TemplateError
from flowtime.storage import safe_id
from flowtime.templates.load import Template, load_template
from flowtime.templates.spec import TemplateHeader

__all__ = ["TemplateInfo", "find_template", "list_templates", "shipped_folder"]

_SUFFIX = ".yaml"
# Both slashes everywhere: what is a path must not depend on the system.
_LOOKS_LIKE_A_PATH = re.compile(r"[/\\]|\.ya?ml$", re.IGNORECASE)


@dataclass(frozen=True)
class TemplateInfo:
    """One entry of a listing: a template's header, or the faults of a file that is none.

    ``is_shipped`` says whether it comes with flowtime.
    """

    id: str
    file: Path
    is_shipped: bool
    header: TemplateHeader | None
    faults: tuple[Fault, ...] = ()


def shipped_folder() -> Path:
    """Return the folder of the catalogue that comes with flowtime.

    Raises StorageError where flowtime runs from an archive: the files beside a template need a folder.
    """
    folder = files("flowtime.templates").joinpath("catalog")
    if not isinstance(folder, Path):
        raise StorageError("the catalogue of templates can not be read from an archive; install flowtime as a folder")
    return folder


def list_templates(folders: Sequence[Path] = ()) -> tuple[TemplateInfo, ...]:
    """Return what ``folders`` and the shipped catalogue hold, sorted by id; a folder that is absent is empty."""
    shipped = shipped_folder()
    # The first of an id wins here as in find_template, so that a listing shows what would be run.
    found: dict[str, TemplateInfo] = {}
    for folder in (*folders, shipped):
        for path in _template_files(folder):
            if path.stem not in found:
                found[path.stem] = _info(path, folder == shipped)
    return tuple(found[name] for name in sorted(found))


def find_template(id_or_path: str | os.PathLike[str], folders: Sequence[Path] = ()) -> Template:
    """Load a template by its id or by the path of its file.

    What has a slash or ends in ``.yaml`` or ``.yml`` is a path.  Raises TemplateError (``template.not_found``
    with the nearest ids, or the faults of the file) and UnsafeNameError for an id that can not be one.
    """
    if not isinstance(id_or_path, str) or _LOOKS_LIKE_A_PATH.search(id_or_path):
        return load_template(id_or_path)
    # Before the disk is touched: an id is part of a path.
    name = safe_id(id_or_path, "template id")
    searched = (*folders, shipped_folder())
    for folder in searched:
        path = folder / f"{name}{_SUFFIX}"
        if path.is_file():
            return _load(path, folder == searched[-1])
    known = sorted({path.stem for folder in searched for path in _template_files(folder)})
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise TemplateError([Fault("template.not_found", f"there is no template {name!r}", hint=hint)])


def _template_files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.is_file())


def _info(path: Path, is_shipped: bool) -> TemplateInfo:
    try:
        header = _load(path, is_shipped).header
    except TemplateError as error:
        return TemplateInfo(path.stem, path, is_shipped, None, error.faults)
    return TemplateInfo(path.stem, path, is_shipped, header)


def _load(path: Path, is_shipped: bool) -> Template:
    """Load a template of a folder; its id must be its file's name, since that is how it is found."""
    # Where flowtime is installed is nobody's business, and would differ between machines.
    template = load_template(path, shown=f"catalog/{path.name}" if is_shipped else None)
    if template.id != path.stem:
        message = f"its id is {template.id!r}, but the file is called {path.name}"
        raise TemplateError([Fault("template.id_mismatch", message, template.file, path="$.metadata.id")])
    return template
