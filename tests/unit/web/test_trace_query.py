"""Searches as Jaeger's clients write them, and as Grafana fills in its variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.trace_query import LOOKBACK, MOST_TRACES, BadQuery, asked, values, window

NOW = 1_795_348_800_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("nightly", ("nightly",)),
        ("", ()),
        (".*", ()),
        ("{a,b}", ("a", "b", "{a,b}")),
        ("{a, a,b}", ("a", "b", "{a, a,b}")),
        ("{.*,b}", ()),
        ("{a}", ("{a}",)),
        ("a,b", ("a,b",)),
    ],
)
def test_a_variable_stands_for_one_several_or_all(text: str, meant: tuple[str, ...]) -> None:
    assert values(text) == meant


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1.5s", 1_500_000),
        ("100ms", 100_000),
        ("20us", 20),
        ("20µs", 20),
        ("1500ns", 2),
        ("1h30m", 5400 * SECOND),
        (".5m", 30 * SECOND),
        ("0", 0),
        ("+2s", 2 * SECOND),
        (".*", None),
        ("", None),
    ],
)
def test_durations_are_those_of_go(text: str, micros: int | None) -> None:
    assert asked({"service": "a", "minDuration": text}, [], NOW).shortest == micros


def test_without_a_start_it_is_two_days_before_the_end() -> None:
    wanted = asked({"service": "a"}, [], NOW)
    assert (wanted.since, wanted.until, wanted.limit) == (NOW - LOOKBACK, NOW, 100)
    wanted = asked({"service": "a", "end": "5000000", "lookback": "2s"}, [], NOW)
    assert (wanted.since, wanted.until) == (3_000_000, 5_000_000)
    wanted = asked({"service": "a", "start": "7", "end": "9", "lookback": "custom"}, [], NOW)
    assert (wanted.since, wanted.until) == (7, 9)


def test_tags_are_read_in_both_ways() -> None:
    wanted = asked(
        {"service": "a", "tags": '{"error": "true", "n": 3, "b": false, "s": "{x,y}"}'},
        ["k:v:w", "e:.*"],
        NOW,
    )
    assert wanted.tags == {
        "k": ("v:w",),
        "e": (),
        "error": ("true",),
        "n": ("3",),
        "b": ("false",),
        "s": ("x", "y", "{x,y}"),
    }


def test_any_operation_is_said_in_several_ways() -> None:
    for text in ("", "All", ".*", "{All,load}"):
        assert asked({"service": "a", "operation": text}, [], NOW).operations == ()
    assert asked({"service": "a", "operation": "load"}, [], NOW).operations == ("load",)


def test_more_traces_than_an_answer_holds_are_not_promised() -> None:
    assert asked({"service": "a", "limit": "5000"}, [], NOW).limit == MOST_TRACES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("service", ""),
        ("service", " "),
        ("service", "a\0"),
        ("operation", "\0"),
        ("limit", "x"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "9" * 40),
        ("start", "yesterday"),
        ("start", "1.5"),
        ("end", "9" * 19),
        ("end", "9" * 400),
        ("minDuration", "100"),
        ("minDuration", "1 s"),
        ("minDuration", "-1s"),
        ("maxDuration", "1y"),
        ("maxDuration", "9" * 30 + "h"),
        ("lookback", "soon"),
        ("tags", "error=true"),
        ("tags", "[]"),
        ("tags", '{"a": null}'),
        ("tags", '{"a": {}}'),
        ("tags", '{"a\\u0000": "x"}'),
        ("tags", '{"a": "x\\u0000"}'),
        ("tags", '{"a": "\\ud800"}'),
        ("tags", "x" * 5000),
    ],
)
def test_what_cannot_be_understood_is_named(name: str, text: str) -> None:
    with pytest.raises(BadQuery, match=f"'{name}'"):
        asked({"service": "a", name: text}, [], NOW)


def test_a_tag_needs_a_value() -> None:
    with pytest.raises(BadQuery, match="'tag'"):
        asked({"service": "a"}, ["error"], NOW)
    with pytest.raises(BadQuery, match="'tags'"):
        asked({"service": "a"}, [f"k{n}:v" for n in range(51)], NOW)


def test_a_greatest_duration_below_the_least_is_refused() -> None:
    with pytest.raises(BadQuery, match="'maxDuration'"):
        asked({"service": "a", "minDuration": "2s", "maxDuration": "1s"}, [], NOW)


def test_dependencies_are_asked_of_in_milliseconds() -> None:
    assert window({"endTs": "5000", "lookback": "2000"}, NOW) == (3_000_000, 5_000_000)
    assert window({}, NOW) == (NOW - 86_400 * SECOND, NOW)
    with pytest.raises(BadQuery, match="'lookback'"):
        window({"lookback": "1h"}, NOW)


NAMES = st.sampled_from(
    ["service", "operation", "start", "end", "lookback", "limit", "minDuration", "maxDuration", "tags"]
)


@given(st.dictionaries(NAMES, st.text(max_size=40)), st.lists(st.text(max_size=20), max_size=3))
def test_whatever_is_asked_is_understood_or_refused(parameters: dict[str, str], tag: list[str]) -> None:
    try:
        wanted = asked(parameters, tag, NOW)
    except BadQuery:
        return
    assert 1 <= wanted.limit <= MOST_TRACES
    assert 0 <= wanted.since < 2**63
    assert 0 <= wanted.until < 2**63
