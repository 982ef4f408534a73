"""Memory held on GPUs, where NVIDIA's library or tool is there; nothing is installed for it."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from exporter.client.complaints import complain

_QUERY = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
MEBIBYTE = 1 << 20
PATIENCE = 20.0
"""Seconds that the tool may take: it starts the driver, where nothing else keeps it running."""


class Accelerators:
    """Looks once whether there is something to ask."""

    def __init__(self) -> None:
        self._library: Any = None
        tool = shutil.which("nvidia-smi")
        self._tool = None if tool is None else Tool(tool)
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
        return None if self._tool is None else self._tool.memory(set(pids))

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


class Tool:
    """`nvidia-smi`. It takes up to seconds, so a thread asks it, and what it said last is what is told."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: dict[int, int] | None = None
        self._asking: threading.Thread | None = None
        self._is_broken = False

    def memory(self, pids: set[int]) -> int | None:
        """Bytes that processes held when it was asked the last time; None before the first answer."""
        if not self._is_broken and (self._asking is None or not self._asking.is_alive()):
            self._asking = threading.Thread(target=self.ask, name="exporter.client nvidia-smi", daemon=True)
            try:
                self._asking.start()
            except RuntimeError:  # no more threads can be had, or the interpreter is ending
                self._asking = None
        return None if self._held is None else sum(held for pid, held in self._held.items() if pid in pids)

    def ask(self) -> None:
        """Wait for its answer."""
        try:
            asked = subprocess.run(
                [self._path, *_QUERY], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=PATIENCE, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            self._is_broken = True  # do not ask every few seconds
            self._held = None
            complain("nvidia-smi", f"{self._path} does not work, memory of GPUs is not told: {error}")
            return
        held: dict[int, int] = {}
        for line in asked.stdout.splitlines():
            pid, _, used = (word.strip() for word in line.partition(","))
            if (
                pid.isdecimal() and used.isdecimal()
            ):  # else a message, or a figure that the driver does not have
                held[int(pid)] = held.get(int(pid), 0) + MEBIBYTE * int(used)
        self._held = held
