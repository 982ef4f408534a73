"""Runs that another process began, and that this one takes part in: by its variables, or by headers of a request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from exporter.client.complaints import complain
from exporter.client.context import OPEN, VARIABLE, Place, place_of
from exporter.client.delivery import process_delivery
from exporter.client.execution import Execution
from exporter.client.wording import name

if TYPE_CHECKING:
    from typing import Self


def joined(carrier: Mapping[str, str]) -> Execution:
    """The run that environment variables or HTTP headers tell of, to be entered.

    If they tell of none, it is one of which nothing is told, and that is false:
    `with joined(headers) or pipeline("requests"):`.
    """
    place = place_of(carrier)
    try:
        return _Untold() if place is None else _Elsewhere(place)
    except ValueError:  # headers that somebody else made up
        return _Untold()


class _Elsewhere(Execution):
    """A run that another process began."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.pipeline, execution=place.execution, environment=place.environment)
        self._there = place

    def start(self) -> Self:
        self._delivery = process_delivery()
        self.environment_name = self._there.environment
        self._process = os.getpid()
        self._join(self._there)
        self._place = self._there
        self._base = self._head = (
            f'"pipeline":{name(self.pipeline, "pipeline")},'
            f'"environment":{name(self.environment_name, "environment")},'
            f'"execution":{name(self.id, "execution", 1024)}'
        )
        self._begin(None)
        return self


class _Untold(Execution):
    """No run: the block is run, whatever is around it goes on, and what is told of this is not sent."""

    def __init__(self) -> None:
        super().__init__("untold")

    def __bool__(self) -> bool:
        return False

    def start(self) -> Self:
        # By the key with which a stage complains of a run that was not begun: it need not say so again.
        complain("closed", "joined(…) found no run in what it was given: what is told of it is not sent")
        return self

    def finish(self, status: str | None = None, error: BaseException | str | None = None) -> None:
        """Nothing began."""

    def _enter(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        return False

    def environment(self) -> dict[str, str]:
        """No variables: there is nothing to join."""
        return {}

    def headers(self) -> dict[str, str]:
        """No headers, for the same reason."""
        return {}


class _Inherited:
    """The run that this process was started in, made once."""

    def __init__(self) -> None:
        self.encoded = ""
        self.execution: Execution | None = None


_INHERITED = _Inherited()


def inherited_place() -> Place | None:
    """Where in a run of another process this one was started."""
    encoded = os.environ.get(VARIABLE)
    return None if not encoded or OPEN.is_exported(encoded) else place_of({VARIABLE: encoded})


def inherited_run(place: Place) -> Execution | None:
    """The run of that place."""
    if _INHERITED.execution is None or _INHERITED.encoded != place.encoded():
        try:
            made = _Elsewhere(place)
            made.is_near = True
            _INHERITED.execution = made.start()
        except ValueError:
            return None  # a variable that somebody else made up
        _INHERITED.encoded = place.encoded()
    return _INHERITED.execution
