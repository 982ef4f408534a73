"""Going through many things, and telling how far one is: to the server, and on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, Generic, TextIO, TypeVar

if TYPE_CHECKING:
    from exporter.client.scope import Scope

T = TypeVar("T")
_REDRAW = 0.1
"""Seconds between two looks of the bar."""


class Bar:
    """One line on a terminal that is written over. Whoever draws first has it; others stay silent meanwhile."""

    _drawing: Bar | None = None

    def __init__(self, stream: TextIO, label: str, total: int | None) -> None:
        self._stream = stream
        self._label = label
        self._total = total
        self._began = time.monotonic()
        if Bar._drawing is None:
            Bar._drawing = self

    def draw(self, done: int, now: float) -> None:
        """Show how far it is."""
        if Bar._drawing is self:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r" + line(self._label, done, self._total, now - self._began, width).ljust(width))

    def end(self, done: int) -> None:
        """Show the last state and go to the next line."""
        if Bar._drawing is self:
            self.draw(done, time.monotonic())
            Bar._drawing = None
            self._write("\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError, AttributeError):
            Bar._drawing = None  # the terminal is gone; the work goes on


def line(label: str, done: int, total: int | None, seconds: float, width: int) -> str:
    """`extract  45% ━━━━━━╌╌╌╌╌╌ 450/1000  12/s  0:45`, in at most so many columns."""
    rate = done / seconds if seconds > 0 else 0.0
    if not total:
        return f"{label}  {done}  {rate:.3g}/s  {_clock(seconds)}"[:width]
    part = min(done / total, 1.0)
    left = _clock((total - done) / rate) if rate and done < total else _clock(seconds)
    before, after = f"{label}  {part:4.0%} ", f" {done}/{total}  {rate:.3g}/s  {left}"
    room = max(min(width - len(before) - len(after), 40), 0)
    full = int(part * room)
    return f"{before}{'━' * full}{'╌' * (room - full)}{after}"[:width]


def _length(iterable: object) -> int | None:
    try:
        return length_hint(iterable, 0) or None
    except Exception:  # a stranger's __len__ raises anything
        return None


def _at_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, another thing in its place, or closed
        return False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Tracked(Generic[T]):
    """Iterates as what it was given does, sync or async, and tells on the way."""

    def __init__(
        self,
        iterable: Iterable[T] | AsyncIterable[T],
        scope: Scope,
        *,
        total: int | None,
        every: float,
        bar: bool | None,
        label: str | None,
    ) -> None:
        self._iterable = iterable
        self._scope = scope
        self._total = total if total is not None else _length(iterable)
        self._every = every
        self._wants_bar = _at_terminal() if bar is None else bar and sys.stderr is not None
        self._label = label or scope.place.path[-1:][0] if label or scope.place.path else scope.place.pipeline
        self._bar: Bar | None = None
        self.done = 0

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._iterable, Iterable):
            raise TypeError("iterable: it is asynchronous, use `async for`")
        self._begin()
        try:
            for item in self._iterable:
                yield item
                self._step()
        finally:
            self._end()

    async def __aiter__(self) -> AsyncIterator[T]:
        if not isinstance(self._iterable, AsyncIterable):
            raise TypeError("iterable: it is not asynchronous, use `for`")
        self._begin()
        try:
            async for item in self._iterable:
                yield item
                self._step()
        finally:
            self._end()

    def __len__(self) -> int:
        return self._total or 0

    def _begin(self) -> None:
        now = time.monotonic()
        self._tell_at = now + self._every
        self._draw_at = now
        if self._wants_bar:
            self._bar = Bar(sys.stderr, self._label or "", self._total)

    def _step(self) -> None:
        self.done += 1
        now = time.monotonic()
        if self._bar is not None and now >= self._draw_at:
            self._draw_at = now + _REDRAW
            self._bar.draw(self.done, now)
        if now >= self._tell_at:
            self._tell_at = now + self._every
            self._tell()

    def _tell(self) -> None:
        self._scope._counted(self.done)
        if self._total:
            self._scope.progress(min(self.done / self._total, 1.0), f"{self.done} of {self._total}")
        else:
            self._scope.progress(None, str(self.done))

    def _end(self) -> None:
        self._scope._counted(self.done)
        if self._bar is not None:
            self._bar.end(self.done)
