"""Which files of a folder a pattern names, and which folders could not be looked into.

`Path.glob` passes over what it may not look into without a word, and no data must never look like good news.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from exporter.sources.batch import Away

MOST_FILES = 10_000
"""Files that are remembered; of more, those that changed last."""

_MADE_BY_FSCK = "lost+found"
"""Stands at the root of many file systems, for root alone; nobody's files are kept there."""

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
"""What was deleted while it was looked for is not there, and no trouble."""


@dataclass(slots=True)
class Listing:
    """Names of files with time of change and size, oldest first, and what could not be looked at, with the reason."""

    files: dict[str, list[int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """A look through a folder. `wrong` is why places in it could not be looked at, by their names."""

    folder: Path
    wrong: dict[str, str] = field(default_factory=dict)

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """What is in a folder. Raises Away if it is the whole one that may not be looked into."""
        try:
            with os.scandir(folder) as found:
                return sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.refused(folder, error)
            return []

    def refused(self, path: Path, error: OSError) -> None:
        """Something could not be looked at. Raises Away if it is the folder itself."""
        if path == self.folder:
            raise Away(f"{path}: {error.strerror}") from error
        if error.errno not in _GONE:
            self.wrong.setdefault(str(path.relative_to(self.folder)), error.strerror or str(error))

    def matching(self, folder: Path, steps: tuple[str, ...]) -> Iterator[Path]:
        """Paths below a folder that the steps of a pattern name."""
        step, rest = steps[0], steps[1:]
        if step == "**":
            yield from self.matching(folder, rest or ("*",))
            for entry in self.entries(folder):
                if entry.name != _MADE_BY_FSCK and self._is_folder(entry, follow=False):
                    yield from self.matching(folder / entry.name, steps)
        elif not any(sign in step for sign in "*?["):
            yield from self.matching(folder / step, rest) if rest else (folder / step,)
        else:
            for entry in self.entries(folder):
                if not fnmatchcase(entry.name, step):
                    continue
                if not rest:
                    yield folder / entry.name
                elif entry.name != _MADE_BY_FSCK and self._is_folder(entry, follow=True):
                    yield from self.matching(folder / entry.name, rest)

    def _is_folder(self, entry: os.DirEntry[str], *, follow: bool) -> bool:
        try:
            return entry.is_dir(follow_symlinks=follow)
        except OSError as error:
            self.refused(Path(entry.path), error)
            return False


def listed(folder: Path, pattern: str) -> Listing:
    """The files that a pattern names; those that changed last, if they are too many. Raises Away.

    A database that is written in WAL mode changes beside itself first.
    """
    walk = _Walk(folder)
    try:
        os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 - a Path drops the dot, and with it the question
    except OSError as error:
        walk.refused(folder, error)
    found: dict[str, tuple[int, int]] = {}
    for path in walk.matching(folder, PurePath(pattern).parts):
        try:
            if path.is_file():
                found[str(path.relative_to(folder))] = _stamp(path)
        except OSError as error:
            walk.refused(path, error)
    newest = sorted((stamp, name) for name, stamp in found.items())[-MOST_FILES:]
    unreadable = [f"{name}: {reason}" for name, reason in walk.wrong.items()]
    return Listing({name: list(stamp) for stamp, name in newest}, unreadable)


def _stamp(path: Path) -> tuple[int, int]:
    told = path.stat()
    changed, size = told.st_mtime_ns, told.st_size
    beside = path.with_name(path.name + "-wal")
    if beside.exists():
        changed, size = max(changed, beside.stat().st_mtime_ns), size + beside.stat().st_size
    return changed, size
