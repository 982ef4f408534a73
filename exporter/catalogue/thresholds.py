"""The thresholds of alerts that the owner of a pipeline may set, as labels of its declaration named `alerts.NAME`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

PREFIX = "alerts."
"""How labels begin that set thresholds."""


# Python reads more as a number, like 1_000 and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class BadThreshold(ValueError):
    """A label that sets no threshold; says why."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold. Without a default, its alert is silent until somebody sets it.

    `least` and `most` bound the values that make sense; `choices` are the only ones, if there are any; `whole`: no
    parts of one.
    """

    name: str
    default: float | None
    unit: str
    meaning: str
    least: float = 0.0
    most: float = 1e12
    choices: tuple[float, ...] = ()
    whole: bool = False

    def parse(self, value: object) -> float:
        """A value as it was declared. Raises BadThreshold."""
        number = _number(value)
        if self.choices:
            if number not in self.choices:
                raise BadThreshold(f"expected one of {', '.join(f'{choice:g}' for choice in self.choices)}")
        elif number < self.least or number > self.most:
            wanted = (
                f"from {self.least:g} to {self.most:g}" if self.most < 1e12 else f"of {self.least:g} or more"
            )
            raise BadThreshold(f"expected a number {wanted}, got {number:g}")
        if self.whole and not number.is_integer():
            raise BadThreshold(f"expected a whole number, got {number:g}")
        return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadThreshold("expected a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise BadThreshold(f"expected a number, got {value[:100]!r}")
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise BadThreshold(f"expected a number, got {str(value)[:100]!r}") from error
    if not isfinite(number):
        raise BadThreshold(f"expected a number, got {str(value)[:100]!r}")
    return number


ENABLED = Threshold("enabled", 1, "", "0 switches every alert of the pipeline off", choices=(0, 1))

PAGE_AFTER_FAILURES = Threshold(
    "page_after_failures",
    3,
    "runs",
    "failures in a row that wake somebody; 1: each of them does",
    least=1,
    whole=True,
)
SUCCESS_OBJECTIVE = Threshold(
    "success_objective", 0.99, "ratio", "part of the runs that shall succeed", least=0.5, most=0.99999
)
BURN_MIN_EXECUTIONS = Threshold(
    "burn_min_executions",
    20,
    "runs",
    "fewer runs than this within a window do not tell its error rate",
    least=1,
    whole=True,
)
RUNNING_LONG_RATIO = Threshold(
    "running_long_ratio",
    3,
    "times usual",
    "a run that takes this many times its usual duration is long",
    least=1,
)
STUCK_RATIO = Threshold(
    "stuck_ratio", 10, "times usual", "a run that takes this many times its usual duration is stuck", least=1
)
MAX_DURATION = Threshold(
    "max_duration_seconds", None, "seconds", "a run that takes longer is stuck, whatever is usual", least=1
)
SLOWER_RATIO = Threshold(
    "slower_ratio",
    1.5,
    "times usual",
    "the latest five successes, or those of a stage, are slow if their median is this many times the one before",
    least=1,
)
RETRY_RATIO = Threshold(
    "retry_ratio", 0.3, "ratio", "part of a stage's attempts within an hour that may be retries", most=1
)
QUEUE_WAIT = Threshold("queue_wait_seconds", 900, "seconds", "how long a run may wait before it starts")

MISSED_STARTS = Threshold(
    "missed_starts",
    1,
    "starts",
    "missed starts that are told, counted over 15 minutes or since the last start",
    least=1,
    whole=True,
)
SUCCESS_AGE = Threshold(
    "success_age_seconds",
    None,
    "seconds",
    "how long ago the latest success may be; without it, some periods of the schedule",
    least=1,
)
SUCCESS_AGE_PERIODS = Threshold(
    "success_age_periods",
    3,
    "periods",
    "the same in periods of the schedule, declared or learnt, to which a usual duration is added",
    least=1,
)

STREAM_LAG = Threshold(
    "stream_lag_seconds", 300, "seconds", "how far a stream at work may be behind", least=1
)
STREAM_STALL = Threshold(
    "stream_stall_seconds",
    600,
    "seconds",
    "lag from which a watermark that stands still wakes somebody",
    least=1,
)
STREAM_BUFFER = Threshold(
    "stream_buffer_depth", 1000, "events", "a buffer that grows is told from this depth on"
)
DEAD_LETTERS = Threshold("dead_letters", 0, "events", "events that may be set aside within 15 minutes")

QUALITY_SCORE = Threshold("quality_score", 0.9, "ratio", "least valid part of the latest check", most=1)
QUALITY_DROP = Threshold(
    "quality_drop", 0.05, "ratio", "how far the latest check may be below the median of a day", most=1
)
COMPLETENESS = Threshold(
    "completeness", 0.95, "ratio", "least part of the expected values present in the latest check", most=1
)

LLM_COST_SPIKE = Threshold(
    "llm_cost_spike_ratio",
    3,
    "times usual",
    "an hour that costs this many times a usual one is a spike",
    least=1,
)
LLM_COST_FLOOR = Threshold("llm_cost_spike_usd", 1, "US dollars", "an hour that costs less is no spike")
LLM_BUDGET_DAYS = Threshold(
    "llm_budget_days",
    30,
    "days",
    "days that `llm_budget_usd` is for, counted back from now",
    choices=(1, 7, 30),
)
LLM_BUDGET_WARNING = Threshold(
    "llm_budget_ratio", 0.8, "ratio", "part of the budget from which on it is told", most=1
)
LLM_ERROR_RATIO = Threshold(
    "llm_error_ratio", 0.1, "ratio", "part of the calls of a provider that may fail within 15 minutes", most=1
)
LLM_RATE_LIMITED_RATIO = Threshold(
    "llm_rate_limited_ratio",
    0.1,
    "ratio",
    "part of the calls of a provider that it may refuse for their rate within 15 minutes",
    most=1,
)

THRESHOLDS: tuple[Threshold, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Threshold)
)
THRESHOLD_OF_NAME: Mapping[str, Threshold] = {threshold.name: threshold for threshold in THRESHOLDS}


def parse(label: str, value: object) -> float | None:
    """Value of a threshold that a label sets; None for a label that is about something else. Raises BadThreshold."""
    if not label.lower().startswith(PREFIX):
        return None
    # Another case of the prefix is a slip: removeprefix leaves it there, and no threshold is called so.
    threshold = THRESHOLD_OF_NAME.get(label.removeprefix(PREFIX))
    if threshold is None:
        known = ", ".join(PREFIX + name for name in THRESHOLD_OF_NAME)
        raise BadThreshold(f"unknown threshold, expected one of {known}")
    return threshold.parse(value)


def declared(labels: Mapping[str, object]) -> dict[str, float]:
    """Thresholds by name among a pipeline's labels. What is no threshold is left out: not every way in checks it."""
    found = {}
    for label, value in sorted(labels.items()):
        try:
            number = parse(label, value)
        except BadThreshold:
            continue
        if number is not None:
            found[label.removeprefix(PREFIX)] = number
    return found


def wrong(labels: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with the labels that look like thresholds and are none, by label."""
    found = {}
    for label, value in sorted(labels.items()):
        try:
            parse(label, value)
        except BadThreshold as error:
            found[label] = str(error)
    return found
