"""Functions whose calls are runs or stages: plain ones, coroutines, generators, asynchronous generators."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from exporter.client.context import enter, leave


class Opened(Protocol):
    """A run or stage, not yet started."""

    retried: bool

    def _enter(self) -> Any: ...

    def start(self) -> Any: ...

    def finish(self, status: str | None = None, error: BaseException | str | None = None) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool: ...


Make = Callable[[int, Any], Opened]
"""Makes a scope from how many attempts were before, and the failures after which another follows."""


def decorated(function: Any, make: Make, retries: int = 0, on: Any = (), wait: float = 0.0) -> Any:
    """The function, each call of which is a scope. What iterates is not retried: its items are out already."""
    if inspect.isasyncgenfunction(function):
        made: Any = _async_generator(function, make)
    elif inspect.isgeneratorfunction(function):
        made = _generator(function, make)
    elif inspect.iscoroutinefunction(function):
        made = _coroutine(function, make, retries, on, wait)
    else:
        made = _plain(function, make, retries, on, wait)
    return functools.wraps(function)(made)


def _plain(function: Any, make: Make, retries: int, on: Any, wait: float) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        for attempt in range(retries + 1):
            scope = make(attempt, on if attempt < retries else ())
            scope._enter()
            try:
                answer = function(*arguments, **named)
            except BaseException:
                if not scope.__exit__(*sys.exc_info()):
                    raise
                if not scope.retried:
                    return None  # skipped
                time.sleep(wait)
            else:
                scope.__exit__(None, None, None)
                return answer
        return None

    return call


def _coroutine(function: Any, make: Make, retries: int, on: Any, wait: float) -> Any:
    async def call(*arguments: Any, **named: Any) -> Any:
        import asyncio  # noqa: PLC0415 - whoever awaits has it; others need not pay for it

        for attempt in range(retries + 1):
            scope = make(attempt, on if attempt < retries else ())
            scope._enter()
            try:
                answer = await function(*arguments, **named)
            except BaseException:
                if not scope.__exit__(*sys.exc_info()):
                    raise
                if not scope.retried:
                    return None  # skipped
                await asyncio.sleep(wait)
            else:
                scope.__exit__(None, None, None)
                return answer
        return None

    return call


class _Inside:
    """Current while the generator's own code runs, and not while its consumer's does."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._token = enter(self._scope)

    def __exit__(self, *_: object) -> None:
        leave(self._token)


def _generator(function: Any, make: Make) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        scope = make(0, ())
        scope.start()
        inside = _Inside(scope)
        inner = function(*arguments, **named)
        step, given = inner.send, None
        try:
            while True:
                with inside:
                    item = step(given)
                try:
                    given = yield item
                    step = inner.send
                except GeneratorExit:
                    with inside:
                        inner.close()
                    raise
                except BaseException as error:
                    step, given = inner.throw, error
        except StopIteration as end:
            scope.finish()
            return end.value
        except BaseException as error:
            scope.finish(error=error)
            raise

    return call


def _async_generator(function: Any, make: Make) -> Any:
    async def call(*arguments: Any, **named: Any) -> Any:
        scope = make(0, ())
        scope.start()
        inside = _Inside(scope)
        inner = function(*arguments, **named)
        step, given = inner.asend, None
        try:
            while True:
                with inside:
                    item = await step(given)
                try:
                    given = yield item
                    step = inner.asend
                except GeneratorExit:
                    with inside:
                        await inner.aclose()
                    raise
                except BaseException as error:
                    step, given = inner.athrow, error
        except StopAsyncIteration:
            scope.finish()
        except BaseException as error:
            scope.finish(error=error)
            raise

    return call
