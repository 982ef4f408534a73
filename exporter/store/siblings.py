"""Spans below one parent, looked through for the one by which another instrument tells the same call."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from exporter.domain.spans import Call

T = TypeVar("T")


class Siblings(Generic[T]):
    """Spans below one parent by who made them, in the order of their start. Many calls in a loop are made by one.

    `spans`: instrument, start, end and what is kept of each.
    """

    def __init__(self, spans: Iterable[tuple[str, int, int, T]]) -> None:
        self._starts: dict[str, list[int]] = {}
        self._kept: dict[str, list[T]] = {}
        self._longest: dict[str, int] = {}
        by_scope: defaultdict[str, list[tuple[int, int, T]]] = defaultdict(list)
        for scope, start, end, kept in spans:
            by_scope[scope].append((start, end, kept))
        for scope, found in by_scope.items():
            found.sort(key=lambda one: one[0])
            self._starts[scope] = [start for start, _, _ in found]
            self._kept[scope] = [kept for _, _, kept in found]
            self._longest[scope] = max(end - start for start, end, _ in found)

    def around(self, call: Call) -> Iterator[T]:
        """Those of other instruments that may have been at work at the time of a call."""
        for scope, starts in self._starts.items():
            if scope != call.scope:
                first = bisect_left(starts, call.start - self._longest[scope])
                yield from self._kept[scope][first : bisect_right(starts, call.end)]
