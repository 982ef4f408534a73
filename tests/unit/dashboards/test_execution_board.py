"""The dashboard of one execution, its SQL over a real database: whatever the state, it says what a person would ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dashboards import links
from dashboards.boards.execution import board
from dashboards.boards.execution_scope import ITS_PIPELINE, as_of_now
from exporter.catalogue.metrics import DURATION_BASELINE
from exporter.catalogue.promql import gauge
from exporter.domain import events as e
from exporter.domain.errors import ErrorDetail
from exporter.domain.events import Event
from exporter.domain.identity import execution_id
from tests.support.boards import promql
from tests.support.migrated import migrated
from tests.support.postgresql import PostgreSQL
from tests.support.promql import selectors
from tests.support.runs import FAILED, TRACE, failed_run
from tests.support.stored import event, stored
from tests.unit.dashboards.shown import Row, Shown

ODD = 'it\'s "odd" / $1 \\ 100 %'
WRONG, TIMELINE, STAGES, COMPARED = (
    "What went wrong, or else what it did last",
    "Stages over time",
    "Stages against usual",
    "Compared with ${other:text}",
)


def _id(run: str, pipeline: str = ODD) -> str:
    return execution_id("", "default", pipeline, run)


def _run(run: str) -> dict[str, Any]:
    return {"pipeline": ODD, "execution": run}


def odd_runs() -> Iterator[Event]:
    """A pipeline with an odd name and executions in every state that is easily forgotten."""
    yield event(e.ExecutionQueued(**_run("waits"), trigger="schedule"), 100)
    yield event(e.ExecutionStarted(**_run("silent")), 110)
    yield event(e.ExecutionFinished(**_run("silent"), status="failed"), 120)
    yield event(e.ExecutionStarted(**_run("good")), 130)
    yield event(e.StageStarted(**_run("good"), stage=ODD), 131)
    yield event(e.LogEmitted(**_run("good"), stage=ODD, message="100 % of it's done"), 132)
    yield event(e.LogEmitted(**_run("good"), message="1000 lines", level="notice"), 133)
    yield event(e.StageFinished(**_run("good"), stage=ODD, status="succeeded"), 134)
    yield event(e.ExecutionFinished(**_run("good"), status="succeeded"), 135)
    for attempt in (1, 2):
        yield event(e.StageStarted(**_run("twice"), stage="pull", attempt=attempt), 200 + 10 * attempt)
        boom = ErrorDetail("boom", type="Boom", stacktrace=f"Traceback {attempt}\nBoom: boom")
        ended = e.StageFinished(
            **_run("twice"), stage="pull", attempt=attempt, status="failed", error=boom, retry=attempt == 1
        )
        yield event(ended, 205 + 10 * attempt)
    yield event(
        e.ExecutionFinished(**_run("twice"), status="failed", error=ErrorDetail("boom", type="Boom")), 226
    )
    wordy = ErrorDetail("w" * 1000, type="Wordy")
    yield event(e.ExecutionFinished(**_run("wordy"), status="failed", error=wordy), 240)
    yield event(e.ExecutionStarted(**_run("lost"), heartbeat_seconds=5.0), 300)
    yield event(e.StageStarted(**_run("lost"), stage="pull"), 301)


@pytest.fixture(scope="module")
def shown(postgresql: PostgreSQL) -> Iterator[Shown]:
    with stored(postgresql.create_database(prepared_by=migrated)) as store:
        store.put(*failed_run(), *odd_runs())
        store.pass_time(7200)
        yield Shown(store.engine, board())


def _bars(rows: list[Row]) -> list[tuple[str, str, float]]:
    return [(row["bar"], row["status"], (row["end"] - row["time"]).total_seconds()) for row in rows]


def test_an_error_is_shown_whole_and_what_the_execution_says_again_is_left_out(shown: Shown) -> None:
    last, trace, first, trace_of_first = shown.panel(WRONG, execution_id=_id("twice"))
    assert last["level"] == "error"
    assert last["body"].splitlines() == ["Boom · processing · pull · attempt 2", "boom"]
    assert trace["body"].splitlines() == ["Traceback 2", "Boom: boom"]
    assert first["body"].splitlines()[0].endswith("attempt 1")
    assert trace_of_first["body"].splitlines()[0] == "Traceback 1"


def test_a_headline_is_short_and_the_whole_message_below_it(shown: Shown) -> None:
    headline, details = shown.panel(WRONG, execution_id=_id("wordy"))
    assert headline["body"].splitlines()[1] == "w" * 400 + "…"
    assert details["body"] == "w" * 1000


def test_an_error_has_its_component_stack_trace_and_context(shown: Shown) -> None:
    headline, details = (row["body"] for row in shown.panel(WRONG, execution_id=FAILED)[:2])
    assert headline.startswith("KeyError · ")
    assert " · loader · load" in headline
    assert TRACE in details
    assert details.endswith('context: {"row": 3}')


def test_a_failure_without_a_reason_says_so(shown: Shown) -> None:
    rows = shown.panel(WRONG, execution_id=_id("silent"))
    assert rows[0]["level"] == "error"
    assert rows[0]["body"].startswith("failed: its source gave no reason.")


def test_an_execution_without_errors_shows_what_it_did_last(shown: Shown) -> None:
    bodies = [row["body"] for row in shown.panel(WRONG, execution_id=_id("good"))]
    assert f"{ODD} succeeded after 3.0 s" in bodies
    assert "100 % of it's done" in bodies


def test_a_queued_execution_waits_up_to_now(shown: Shown) -> None:
    ((bar, status, seconds),) = _bars(shown.panel(TIMELINE, execution_id=_id("waits")))
    assert (bar, status) == ("whole run", "queued")
    assert seconds != 0
    (said,) = shown.panel(WRONG, execution_id=_id("waits"))
    assert said["body"] == "queued, and waits for its start by schedule"


def test_an_unknown_execution_is_said_to_be_unknown(shown: Shown) -> None:
    nobody = "0" * 32
    (said,) = shown.panel(WRONG, execution_id=nobody)
    assert nobody in said["body"]
    assert [row["bar"] for row in shown.panel(TIMELINE, execution_id=nobody)] == ["no such execution"]


def test_attempts_are_bars_of_their_own(shown: Shown) -> None:
    bars = _bars(shown.panel(TIMELINE, execution_id=_id("twice")))
    assert [bar for bar in bars if bar[0] == "pull"] == [("pull", "failed", 5.0), ("pull", "failed", 5.0)]


def test_enclosed_stages_stand_behind_the_one_that_holds_them(shown: Shown) -> None:
    rows = shown.panel(TIMELINE, execution_id=FAILED)
    assert list(dict.fromkeys(row["bar"] for row in rows)) == ["whole run", "extract", "· parse [0]", "load"]
    assert {row["stage"] for row in rows} == {"execution", "extract", "parse", "load"}
    stages = [row["Stage"] for row in shown.panel(STAGES, execution_id=FAILED)]
    assert stages == ["whole run", "extract", "· parse", "load"]


def test_a_stage_without_an_end_ended_with_its_execution(shown: Shown) -> None:
    whole, stage = _bars(shown.panel(TIMELINE, execution_id=_id("lost")))[-2:]
    assert (whole[1], stage[1]) == ("lost", "lost")
    assert 0 <= stage[2] <= whole[2] < 60
    rows = {row["Stage"]: row for row in shown.panel(STAGES, execution_id=_id("lost"))}
    assert rows["pull"]["Duration"] == pytest.approx(stage[2])


def test_stages_that_were_not_reached_are_named(shown: Shown) -> None:
    rows = {row["Stage"]: row["Status"] for row in shown.panel(STAGES, execution_id=_id("silent"))}
    assert rows == {"whole run": "failed", "pull": "not reached", ODD: "not reached"}


def test_logs_are_filtered_by_plain_text_and_stage(shown: Shown) -> None:
    def bodies(**values: str) -> list[str]:
        return [row["body"] for row in shown.panel("Logs", execution_id=_id("good"), **values)]

    assert bodies() == ["100 % of it's done", "1000 lines"]
    assert bodies(q="100 % of IT'S") == ["100 % of it's done"]
    assert bodies(stage="execution") == ["1000 lines"]
    assert bodies(level="error|warning") == ["No line passes the filters above: stage, level, text."]


def test_an_execution_without_log_lines_says_so(shown: Shown) -> None:
    (said,) = shown.panel("Logs", execution_id=_id("silent"))
    assert said["body"] == "This execution sent no log lines, warnings or errors."


def test_a_stage_leads_to_its_dashboard_and_the_whole_run_to_the_pipelines(shown: Shown) -> None:
    for panel, values in ((STAGES, {}), (COMPARED, {"other": FAILED})):
        rows = shown.panel(panel, execution_id=_id("good"), **values)
        boards_of = {row["Stage"]: row["board"] for row in rows}
        assert boards_of.pop("whole run") == links.PIPELINE
        assert set(boards_of.values()) == {links.STAGE}
        assert all(row["stage"] in row["Stage"] for row in rows)


def test_the_status_of_the_whole_run_leads_to_the_lines_of_no_stage(shown: Shown) -> None:
    told_as = {row["Stage"]: row["told_as"] for row in shown.panel(STAGES, execution_id=_id("good"))}
    assert told_as == {"whole run": "execution", ODD: ODD}


@pytest.mark.parametrize("figure", ["Retry", "Errors"])
def test_nothing_is_counted_of_an_unknown_execution(shown: Shown, figure: str) -> None:
    assert shown.panel(figure, execution_id="0" * 32) == []
    assert [list(row.values()) for row in shown.panel(figure, execution_id=_id("good"))] == [[0]]


def test_a_level_of_the_sources_own_counts_as_info(shown: Shown) -> None:
    rows = shown.panel("Logs", execution_id=_id("good"), level="info")
    assert [row["level"] for row in rows] == ["info", "info"]


def test_progress_of_what_ended_carries_its_status(shown: Shown) -> None:
    assert shown.panel("Done", execution_id=_id("good")) == [{"Reached": "100 %|succeeded"}]
    assert shown.panel("Done", execution_id=_id("twice"))[0]["Reached"].endswith("|failed")
    assert shown.panel("Done", execution_id=_id("waits")) == [{"Reached": "waiting|queued"}]


def test_neighbours_are_before_and_behind_it(shown: Shown) -> None:
    rows = shown.panel("Executions around it", execution_id=_id("good"))
    assert [row["When"] for row in rows].count("this one") == 1
    runs = {row["Run"]: row["When"] for row in rows}
    assert runs["silent"] == "earlier"
    assert runs["twice"] == "later"


def test_any_execution_of_a_link_is_in_the_list_of_executions(shown: Shown) -> None:
    (variable,) = [each for each in board().variables if each["name"] == "execution_id"]
    query = (
        variable["query"].replace("${execution_id:sqlstring}", f"'{FAILED}'").replace("LIMIT 200", "LIMIT 1")
    )
    found = shown.ask(query)
    assert [row["__value"] for row in found][-1] == FAILED
    assert len(found) == 2


def test_hidden_variables_follow_the_execution(shown: Shown) -> None:
    values = shown.values(execution_id=_id("good"))
    assert (values["pipeline"], values["environment"]) == (ODD, "default")
    assert values["running_id"] == "none"


def test_it_is_compared_with_the_success_before_it(shown: Shown) -> None:
    values = shown.values(execution_id=_id("twice"))
    assert values["other"] == _id("good")
    rows = {
        row["Stage"]: row for row in shown.panel("Compared with ${other:text}", execution_id=_id("twice"))
    }
    assert rows["pull"]["This one"] == 10
    assert rows[ODD]["The other"] == 3
    assert shown.values(execution_id=_id("silent"))["other"] == "none"


def test_a_name_with_quotes_is_quoted_for_prometheus(shown: Shown) -> None:
    usual = as_of_now(gauge(DURATION_BASELINE, quantile="0.5", where=ITS_PIPELINE))
    query = promql(usual, shown.values(execution_id=_id("good")))
    wanted = 'quantile="0.5",environment="default",pipeline="it\'s \\"odd\\" / $1 \\\\ 100 %"'
    assert sorted(wanted.split(",")) == sorted(query.partition("{")[2].partition("}")[0].split(","))
    assert len(selectors(query)) == 2
