"""One run at a time: a file that the kernel unlocks when nobody holds it any more."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from urllib.parse import quote


def lock_file(folder: Path, environment: str, pipeline: str) -> Path:
    """The file for a pipeline."""
    return folder / "locks" / f"{quote(environment, safe='')}--{quote(pipeline, safe='')}.lock"[-250:]


def take(path: Path) -> int | None:
    """A descriptor that holds the lock; None if another run has it. Raises OSError.

    The command inherits it: should the wrapper be killed, the lock stays as long as the command runs.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
