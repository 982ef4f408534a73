"""Colours, signs and thresholds, the same on every dashboard."""

from __future__ import annotations

from dashboards.grafana.fields import Steps, mapping
from dashboards.grafana.json import Json
from exporter.domain.status import Status

GREY = "#8a8f98"
GREEN, YELLOW, ORANGE, RED, DARK_RED = "green", "yellow", "orange", "red", "dark-red"
BLUE, PURPLE, TEXT = "blue", "purple", "text"

COLOR: dict[str, str] = {
    Status.QUEUED: PURPLE,
    Status.RUNNING: BLUE,
    Status.PAUSED: YELLOW,
    Status.SUCCEEDED: GREEN,
    Status.FAILED: RED,
    Status.CANCELLED: ORANGE,
    Status.TIMED_OUT: DARK_RED,
    Status.SKIPPED: GREY,
    Status.LOST: "dark-orange",
}
_SIGN = {
    Status.QUEUED: "…",
    Status.RUNNING: "▸",
    Status.PAUSED: "‖",
    Status.SUCCEEDED: "    ",
    Status.FAILED: "✗",
    Status.CANCELLED: "⊘",
    Status.TIMED_OUT: "⧖",
    Status.SKIPPED: "–",
    Status.LOST: "?",
}


_WORD = {Status.SUCCEEDED: "ok"}
"""Short, for a cell that is wide enough for more than a sign, but not for all of the word."""


def _words(status: str) -> str:
    return status.replace("_", " ")


STATUS = mapping(
    [
        *((status.value, _words(status), COLOR[status]) for status in Status),
        # A pill takes its colour by the text that it shows.
        *((_words(status), _words(status), COLOR[status]) for status in Status if "_" in status),
    ]
)
"""A status as a coloured word."""

STATUS_SIGN = mapping(
    [
        *(
            (status.value, f"{_SIGN[status]} {_WORD.get(status, _words(status))}", COLOR[status])
            for status in Status
        ),
        ("retried", "↻ retried", "light-green"),
    ]
)
"""The same with a sign in front. A grid's narrow cell shows just the sign, for those who do not tell red from green."""

STATUS_NUMBER = {status.value: number for number, status in enumerate(Status)}
"""A status as a number, where a query can answer no words."""
STATUS_OF_NUMBER = mapping((str(STATUS_NUMBER[status]), _words(status), COLOR[status]) for status in Status)

NEUTRAL: Steps = ((None, TEXT),)
COUNT_OF_BAD: Steps = ((None, GREY), (0, GREEN), (1, RED))
"""No answer is grey, none is green, any is red."""
COUNT_TO_WATCH: Steps = ((None, GREY), (0, GREEN), (1, ORANGE), (10, RED))
SUCCESS_RATIO: Steps = ((None, GREY), (0, RED), (0.8, ORANGE), (0.95, GREEN))
AGAINST_USUAL: Steps = ((None, TEXT), (0.25, ORANGE), (1, RED))
"""How much longer than usual: 1 is twice as long. Short is no success: what fails at once is, too."""


def no_comparison(text: str = " ") -> list[Json]:
    """This text for what Grafana makes of a comparison where one of both is missing: it takes a null for zero."""
    return [
        {
            "type": "value",
            "options": {"-1": {"text": text, "index": 0}, "Infinity": {"text": text, "index": 1}},
        },
        {"type": "range", "options": {"from": 1e6, "result": {"text": text, "index": 2}}},
        {"type": "special", "options": {"match": "null+nan", "result": {"text": text, "index": 3}}},
    ]


SOON = "What has just begun appears within two minutes."
"""Behind the reason why a panel of rates is empty: of a first value there is no rate yet, and totals are recorded."""

QUANTILE_COLOR = {"p50": GREEN, "p95": ORANGE, "p99": RED}

SEVERITY = mapping(
    [
        ("critical", "critical", RED),
        ("error", "error", "light-red"),
        ("warning", "warning", ORANGE),
        ("info", "info", BLUE),
    ]
)
"""Of alerts and of errors; alerts have no `error`."""
SEVERITY_NUMBER = {"critical": 3, "warning": 2, "info": 1}
SEVERITY_OF_NUMBER = mapping([("3", "critical", RED), ("2", "warning", ORANGE), ("1", "info", BLUE)])
ALERT_STATE = mapping([("firing", "firing", RED), ("pending", "pending", "dark-yellow")])
NEW = mapping([("new", "new", RED), ("no", " ", None)])
UP_DOWN = mapping([("0", "down", RED), ("1", "up", GREEN)])

SOME_POINTS, FEW_POINTS, FEWEST_POINTS = 150, 72, 48
"""Most points of charts that read many series, many buckets of histograms, and buckets of every pipeline."""
