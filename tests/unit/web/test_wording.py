"""Figures in words for people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.domain.times import SECOND, to_micros
from exporter.web.wording import ago, percent, safe_link, size, span

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.0421, "42 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1m 00s"),
        (3599.4, "59m 59s"),
        (3600, "1h 00m"),
        (86_399, "23h 59m"),
        (90_000, "1d 1h"),
    ],
)
def test_a_duration_is_as_exact_as_it_needs_to_be(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (12, "12 s ago"),
        (90, "2 min ago"),
        (4000, "67 min ago"),
        (7200, "2 h ago"),
        (3 * 86_400, "3 days ago"),
        (-600, "in 10 min"),
    ],
)
def test_a_distance_in_time_has_one_unit(seconds: int, words: str) -> None:
    assert ago(to_micros(NOON) - seconds * SECOND, NOON) == words


def test_what_never_happened_is_said_so() -> None:
    assert ago(None, NOON) == "never"


def test_nearly_all_is_not_all() -> None:
    assert [percent(part) for part in (0.0, 0.994, 0.999, 1.0)] == ["0 %", "99 %", "99 %", "100 %"]


def test_sizes_are_in_binary_units() -> None:
    assert [size(number) for number in (0, 1023, 1024, 1_500_000, 3 * 2**40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.4 MiB",
        "3.0 TiB",
    ]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil", " http://x", None, 3, ""]
)
def test_only_web_addresses_can_be_followed(url: object) -> None:
    assert safe_link(url) is None
    assert safe_link("HTTPS://x/y") == "HTTPS://x/y"
