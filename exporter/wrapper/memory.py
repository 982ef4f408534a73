"""Whether the kernel killed something for want of memory, as cgroups count it."""

from __future__ import annotations

from pathlib import Path

ROOT, PROC = Path("/sys/fs/cgroup"), Path("/proc")


def kills(root: Path = ROOT, proc: Path = PROC) -> int | None:
    """How often the kernel killed in this process's cgroup; on the machine, where cgroups do not count that."""
    found = _in_cgroup(root, proc / "self/cgroup")
    return _counted(proc / "vmstat") if found is None else found


def _in_cgroup(root: Path, membership: Path) -> int | None:
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            files = [root / path.lstrip("/") / "memory.events", root / "memory.events"]
        elif "memory" in controllers.split(","):
            files = [
                root / "memory" / path.lstrip("/") / "memory.oom_control",
                root / "memory" / "memory.oom_control",
            ]
        else:
            continue
        for file in files:
            found = _counted(file)
            if found is not None:
                return found
    return None


def _counted(file: Path) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
