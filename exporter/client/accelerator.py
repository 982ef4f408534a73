"""Memory held on GPUs, where NVIDIA's library or tool is there; nothing is installed for it."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

_QUERY = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
MEBIBYTE = 1 << 20


class Accelerators:
    """Looks once whether there is something to ask."""

    def __init__(self) -> None:
        self._library: Any = None
        self._tool = shutil.which("nvidia-smi")
        try:
            library = importlib.import_module("pynvml")
            library.nvmlInit()
            self._library = library
        except Exception:  # not installed, or no driver: each version raises classes of its own
            self._library = None

    def memory(self, pids: Sequence[int]) -> int | None:
        """Bytes that processes hold on all GPUs; None without a GPU."""
        if self._library is not None:
            return self._by_library(set(pids))
        return self._by_tool(set(pids)) if self._tool else None

    def _by_library(self, pids: set[int]) -> int | None:
        library = self._library
        total = 0
        try:
            for number in range(library.nvmlDeviceGetCount()):
                device = library.nvmlDeviceGetHandleByIndex(number)
                for process in library.nvmlDeviceGetComputeRunningProcesses(device):
                    total += (process.usedGpuMemory or 0) if process.pid in pids else 0
        except library.NVMLError:
            return None
        return total

    def _by_tool(self, pids: set[int]) -> int | None:
        try:
            asked = subprocess.run(
                [self._tool or "nvidia-smi", *_QUERY], capture_output=True, text=True, timeout=5, check=True
            )
        except (OSError, subprocess.SubprocessError):
            self._tool = None  # it does not work here: do not ask every few seconds
            return None
        return sum(MEBIBYTE * used for pid, used in map(_row, asked.stdout.splitlines()) if pid in pids)


def _row(line: str) -> tuple[int, int]:
    pid, _, used = line.partition(",")
    return int(pid), int(used) if used.strip().isdecimal() else 0
