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
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", suffix=".part", delete=False) as part:
            part.write(text)
        mode = 0o666 & ~_umask()
        Path(part.name).chmod(mode)
        Path(part.name).replace(path)
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror or error}") from error
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
