"""Taking the current stage along into another thread."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """The function, to run in another thread in the stage that is current now: `pool.submit(carried(work), item)`."""
    context = contextvars.copy_context()

    def call(*arguments: P.args, **named: P.kwargs) -> R:
        # A copy for each call: one context cannot be entered by two threads at once.
        return context.copy().run(function, *arguments, **named)

    return call
