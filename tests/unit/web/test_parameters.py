"""Times and orders as clients write them."""

from __future__ import annotations

import pytest

from exporter.domain.times import rfc3339
from exporter.store.queries.order import By, Order
from exporter.web.parameters import moment, order_of, position
from exporter.web.problems import Problem


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22T05:06:07Z", "2026-11-22T05:06:07.000000Z"),
        ("2026-11-22T05:06:07.123456Z", "2026-11-22T05:06:07.123456Z"),
        ("2026-11-22T05:06:07+02:00", "2026-11-22T03:06:07.000000Z"),
        ("2026-11-22T05:06:07 02:00", "2026-11-22T03:06:07.000000Z"),
        ("2026-11-22T05:06:07", "2026-11-22T05:06:07.000000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59-01:00", "2200-01-01T00:00:00.000000Z"),
        ("1795323967", "2026-11-22T05:06:07.000000Z"),
        ("1795323967.25", "2026-11-22T05:06:07.250000Z"),
        ("1795323967123", "2026-11-22T05:06:07.123000Z"),
    ],
)
def test_a_time_is_understood_as_clients_and_dashboards_write_it(text: str, instant: str) -> None:
    assert rfc3339(moment(text)) == instant


@pytest.mark.parametrize("text", ["", "now", "22.11.2026", "2026-13-01", "9" * 15, "-5", "1e9"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        moment(text)


def test_an_order_is_read_as_it_is_written() -> None:
    assert order_of("-ended_at") == Order(By.ENDED, descending=True)
    assert str(order_of("duration_seconds")) == "duration_seconds"


@pytest.mark.parametrize("text", ["", "-", "--started_at", "id", "started_at desc"])
def test_an_unknown_order_is_refused_by_name(text: str) -> None:
    with pytest.raises(Problem) as caught:
        order_of(text)
    assert caught.value.errors[0].pointer == "/query/sort"


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "WzFd", "WyItc3RhcnRlZF9hdCIsMSwieCJd", "ä"])
def test_a_cursor_of_another_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        position(cursor, Order())
    assert caught.value.status == 422
