"""Schedules are read from what Airflow 2 and 3 serialize."""

from typing import Any

import msgspec
import pytest

from exporter.domain.events import Schedule
from exporter.ingest.openlineage.timetable import schedule


def read(timetable: Any, summary: object = None) -> Schedule | None:
    return schedule(msgspec.Raw(msgspec.json.encode(timetable)), summary)


@pytest.mark.parametrize(
    ("timetable", "expected"),
    [
        (
            {"expression": "0 3 * * 1-5", "timezone": "Europe/Berlin"},
            Schedule("0 3 * * 1-5", timezone="Europe/Berlin"),
        ),
        ({"expression": "@daily", "timezone": "UTC"}, Schedule("0 0 * * *")),
        ({"delta": 5400.0}, Schedule(every_seconds=5400.0)),
        (
            {
                "timetable": {
                    "__type": "airflow.timetables.x",
                    "__var": {"expression": "5 4 * * *", "timezone": "UTC"},
                }
            },
            Schedule("5 4 * * *"),
        ),
        ({}, None),
        ({"asset_condition": {"__type": "asset", "uri": "s3://x"}}, None),
        ({"expressions": ["0 1 * * *", "0 2 * * *"], "timezone": "UTC"}, None),
        ({"expression": "0 0 3 * * *", "timezone": "UTC"}, None),
        # A zone without a name is an offset in seconds.
        ({"expression": "0 3 * * *", "timezone": 3600}, None),
        ({"expression": "0 3 * * \u0000", "timezone": "UTC"}, None),
        ({"delta": {"months": 1}}, None),
        ({"delta": -1}, None),
        (7, None),
    ],
)
def test_a_timetable_tells_a_cron_expression_or_a_period(timetable: Any, expected: Schedule | None) -> None:
    assert read(timetable) == expected


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("@hourly", Schedule("0 * * * *")),
        ("*/5 * * * *", Schedule("*/5 * * * *")),
        ("1 day, 0:00:00", Schedule(every_seconds=86_400.0)),
        ("0:10:00", Schedule(every_seconds=600.0)),
        ("None", None),
        ("@once", None),
        ("@continuous", None),
        ("Asset", None),
        (5, None),
    ],
)
def test_without_a_timetable_the_summary_has_to_do(summary: object, expected: Schedule | None) -> None:
    assert read({}, summary) == expected


def test_a_timetable_that_wraps_itself_is_left() -> None:
    nested: dict[str, Any] = {"expression": "0 3 * * *", "timezone": "UTC"}
    for _ in range(50):
        nested = {"timetable": nested}
    assert read(nested) is None
