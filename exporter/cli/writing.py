"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class NotWritten(Exception):
    """A file that can't be written; says why."""


def write(folder: Path, name: str, text: str) -> Path:
    """Writes the file and returns where; the folder is made. Raises NotWritten."""
    path = folder / name
    try:
        content = text.encode()
        folder.mkdir(parents=True, exist_ok=True)
        _put(path, content)
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise NotWritten(f"{path}: cannot be written: {error}") from error
    return path


def _put(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as part:
        try:
            part.write(content)
            part.close()
            Path(part.name).chmod(0o666 & ~_umask())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
