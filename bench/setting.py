"""What measures are given: how much to measure, a folder, and stores that are filled once for all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from bench.filled import add_executions, fill_lines
from bench.servers import MeasuredExporter


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to measure. `seconds`: how long a load lasts in each round."""

    lines: int = 144_000
    few: int = 10_000
    many: int = 1_000_000
    rounds: int = 7
    seconds: float = 8.0


QUICK = Scale(lines=14_400, few=10_000, many=100_000, rounds=3, seconds=2.0)


class Setting:
    """Where measures work. Files of a store are copied before they are used."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self._numbers = count()

    @cached_property
    def lines(self) -> Path:
        """A store with many lines."""
        file = self.folder / "lines.db"
        fill_lines(file, self.scale.lines)
        return file

    @cached_property
    def few(self) -> Path:
        """The same with few executions."""
        return self._with_executions("few.db", self.scale.few)

    @cached_property
    def many(self) -> Path:
        """The same with many executions."""
        return self._with_executions("many.db", self.scale.many)

    def _with_executions(self, name: str, number: int) -> Path:
        file = self.folder / name
        shutil.copy(self.lines, file)
        add_executions(file, number)
        return file

    def new_folder(self) -> Path:
        """A folder for one program."""
        folder = self.folder / f"program-{next(self._numbers)}"
        folder.mkdir()
        return folder

    @contextmanager
    def exporter(self, store: Path | None = None) -> Iterator[MeasuredExporter]:
        """The exporter, ready, over a copy of a store or an empty one."""
        folder = self.new_folder()
        file = folder / "exporter.db"
        if store is not None:
            shutil.copy(store, file)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            exporter = MeasuredExporter(folder, file)
            exporter.start()
            stack.callback(exporter.stop)
            exporter.wait_until_ready()
            yield exporter
