"""One run at a time: a file that the kernel unlocks when its wrapper is gone, and that names the command.

The command itself does not inherit the lock, as what it leaves in the background would hold it for ever. Should the
wrapper be killed while its command runs on, the file still says which process that is.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from exporter.client.complaints import complain

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Lock:
    """Held until it is released, or the process ends."""

    descriptor: int

    def names(self, pid: int) -> None:
        """Write down which process is the command.

        Where that cannot be, as when the disk is full, the lock is the wrapper's alone: the command runs already.
        """
        told = (identity(pid) or "").encode()
        try:
            os.ftruncate(self.descriptor, os.pwrite(self.descriptor, told, 0))
        except OSError as error:
            complain("lock", f"--lock: {error}; the lock holds while this wrapper lives", level=logging.ERROR)

    def release(self) -> None:
        """Let others run."""
        # A name that stays is that of a process that has ended, which holds nothing.
        with suppress(OSError):
            os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def lock_file(folder: Path, environment: str, pipeline: str) -> Path:
    """The file for a pipeline."""
    name = f"{quote(environment, safe='')}--{quote(pipeline, safe='')}"
    if len(name) > 240:
        name = f"{name[:200]}~{blake2b(name.encode(), digest_size=8).hexdigest()}"
    return folder / "locks" / f"{name}.lock"


def take(path: Path) -> Lock | None:
    """The lock; None if another run goes on. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named = os.pread(descriptor, 1000, 0).decode("ascii", "replace")
    except BlockingIOError:
        os.close(descriptor)
        return None
    if named and identity(_pid(named)) == named:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return Lock(descriptor)


def identity(pid: int, proc: Path = PROC) -> str | None:
    """What tells a process from all others, before and after it and in other containers; None if it is gone."""
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (proc / "self/ns/pid").readlink()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else f"{pid} {rest[18]} {boot} {namespace}"


def _pid(named: str) -> int:
    first = named.partition(" ")[0]
    return int(first) if first.isdecimal() else 0
