"""Pipelines as a team may have them, and what happened to each within a day."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from bench.lifecycles import name_of
from exporter.catalogue.metric import Scope

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
SPAN = 24 * HOUR

STAGES = 6
_PERIODS = ((5 * MINUTE, 30), (15 * MINUTE, 60), (HOUR, 120), (6 * HOUR, 45), (24 * HOUR, 45))
"""How often pipelines run, and how many of 300 do so."""
TOLD = MINUTE
"""How often streams and steps that call language models tell something."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something ended, or was told: how long it took or how much it was, and how it went."""

    time: int
    amount: float
    status: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a metric is measured on, and what happened to it."""

    scope: Scope
    labels: Mapping[str, str]
    moments: Sequence[Moment]


@dataclass(frozen=True)
class Fleet:
    """What happens between two times, in ms; the same in each run."""

    start: int
    end: int
    random: random.Random = field(default_factory=lambda: random.Random(300))

    def of_pipeline(self, number: int) -> Iterator[Subject]:
        """A pipeline and all that belongs to it."""
        base = {"pipeline": name_of(number), "environment": ("production", "staging")[number % 4 == 3]}
        period = self._period(number)
        runs = self._runs(period, usual=period * self.random.uniform(0.02, 0.3) / SECOND)
        yield Subject(Scope.PIPELINE, base, runs)
        for stage in range(STAGES):
            part = self.random.uniform(0.05, 0.3)
            moments = [replace(run, amount=run.amount * part) for run in runs]
            labels = {**base, "stage": f"stage_{stage}"}
            yield Subject(Scope.STAGE, labels, moments)
            if stage:
                edge = {**base, "source": f"stage_{stage - 1}", "target": f"stage_{stage}"}
                yield Subject(Scope.EDGE, edge, moments)
            if stage < 3:
                failed = [run for run in runs if run.status == "failed"]
                error = {"category": "data", "error_type": f"Error{stage}"}
                yield Subject(Scope.ERROR, {**labels, **error}, failed)
        if number % 7 == 0:
            yield from self._of_streams(base)
        if number % 5 == 1:
            yield from self._of_checks(base, runs)
        if number % 10 == 2:
            yield from self._of_models(base)

    def _period(self, number: int) -> int:
        place = number * 101 % 300
        for period, share in _PERIODS:
            if place < share:
                return period
            place -= share
        raise AssertionError("shares are of 300")

    def _runs(self, period: int, usual: float) -> list[Moment]:
        first = self.start + self.random.randrange(period)
        found = []
        for time in range(first, self.end, period):
            status = self.random.choices(("succeeded", "failed", "timed_out", "cancelled"), (94, 4, 1, 1))[0]
            found.append(Moment(_snapped(time), usual * self.random.lognormvariate(0, 0.3), status))
        return found

    def regular(self, every: int, usual: float) -> list[Moment]:
        """What is told so often."""
        first = self.start + self.random.randrange(1, every // SECOND) * SECOND
        return [
            Moment(_snapped(time), usual * self.random.lognormvariate(0, 0.6), "succeeded")
            for time in range(first, self.end, every)
        ]

    def _of_streams(self, base: Mapping[str, str]) -> Iterator[Subject]:
        for number, direction in product(range(3), ("in", "out")):
            labels = {**base, "stream": f"table_{number}", "direction": direction}
            yield Subject(Scope.STREAM, labels, self.regular(TOLD, 2.0))

    def _of_checks(self, base: Mapping[str, str], runs: Sequence[Moment]) -> Iterator[Subject]:
        for number in range(2):
            labels = {**base, "stage": f"stage_{number}", "stream": f"table_{number}"}
            yield Subject(Scope.CHECK, labels, runs)
            for rule in ("not_null", "in_range", "unique"):
                yield Subject(Scope.RULE, {**labels, "rule": rule}, runs)

    def _of_models(self, base: Mapping[str, str]) -> Iterator[Subject]:
        for stage, number in product(range(2), range(2)):
            provider, model, operation = f"provider_{number}", f"model_{stage}{number}", "chat"
            labels = {
                **base, "stage": f"stage_{stage}", "provider": provider, "request_model": model,
                "response_model": model, "operation": operation, "gen_ai_provider_name": provider,
                "gen_ai_request_model": model, "gen_ai_response_model": model, "gen_ai_operation_name": operation,
            }  # fmt: skip
            yield Subject(Scope.MODEL, labels, self.regular(TOLD, 1.2))


def _snapped(time: int) -> int:
    return time // SECOND * SECOND
