"""Paths and expressions: what they give for a row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from exporter.sources.mapping import Expression, Value
from exporter.sources.paths import BadPath, Record, first, steps_of
from exporter.sources.values import BadValue, evaluate, moment

ROW: dict[str, Any] = {
    "name": "nightly",
    "took": 1500,
    "none": None,
    "text": '{"a": {"b": [1, 2]}}',
    "steps": [{"n": "x", "at": "2026-01-01T00:00:01Z"}, {"n": "y", "at": "2026-01-01T00:00:09Z"}],
    "dict": {"p": 1, "q": 2},
    "uuid": UUID(int=5),
    "decimal": Decimal("1.5"),
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "nightly"),
        ("text.a.b.1", 2),
        ("steps.-1.n", "y"),
        ("steps.*.n", ["x", "y"]),
        ("dict.*", [1, 2]),
        ("steps.7.n", None),
        ("name.a.b", None),
        ("$.name", "nightly"),
        ("no", None),
    ],
)
def test_a_path_leads_into_the_row(path: str, value: object) -> None:
    assert first(Record(ROW, ROW), path) == value


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", "a{b"])
def test_a_path_that_means_nothing_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        steps_of(path)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (Expression(constant=5), 5),
        (Expression(format="{name}-{took}"), "nightly-1500"),
        (Expression(format="{name}-{none}"), None),
        (Expression(first=["none", "took"]), 1500),
        (Expression(path="took", scale=0.001), 1.5),
        (Expression(path="name", words={"nightly": "n"}), "n"),
        (Expression(path="name", match="^(n)"), "n"),
        (Expression(path="name", match="^(x)"), None),
        (Expression(latest="steps.*.at"), datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)),
        (Expression(earliest="steps.*.at"), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (Expression(earliest="none"), None),
        (
            Expression(path="steps.0.at", minus=Expression(constant=1)),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ("uuid", "00000000-0000-0000-0000-000000000005"),
        ("decimal", 1.5),
    ],
)
def test_an_expression_gives_a_value(expression: Value, value: object) -> None:
    assert evaluate(expression, Record(ROW, ROW), UTC) == value


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-22T12:00:00Z",
        "2026-11-22 12:00:00",
        "2026-11-22 13:00:00+01",
        "2026-11-22T12:00:00.000000000Z",
        NOON.timestamp(),
        int(NOON.timestamp()),
        int(NOON.timestamp() * 1e3),
        int(NOON.timestamp() * 1e6),
        int(NOON.timestamp()) * 10**9,
        f"{NOON.timestamp()}00",
        datetime(2026, 11, 22, 12),  # noqa: DTZ001 - as drivers give them
    ],
)
def test_times_come_in_many_ways(told: object) -> None:
    assert moment(told, UTC) == NOON


def test_times_without_a_zone_are_those_of_the_mapping() -> None:
    assert moment("2026-11-22 13:00:00", ZoneInfo("Europe/Berlin")) == NOON


@pytest.mark.parametrize("told", ["banana", "", True, 5, -1.0, 1e30, "1970-01-01T00:00:00Z", [], {}])
def test_what_is_no_time_is_refused(told: object) -> None:
    with pytest.raises(BadValue):
        moment(told, UTC)
