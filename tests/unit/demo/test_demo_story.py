"""What there is to see, and when."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from statistics import median

import pytest

from exporter.demo.event import Event
from tests.unit.demo.story import NOW, of_type, tell, tell_history, text
from tests.unit.demo.vocabulary import STATUSES, TYPES

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def first_minutes() -> list[Event]:
    return tell(10 * MINUTE)


def before(events: list[Event], moment: datetime) -> list[Event]:
    return [event for event in events if event.time <= moment]


def executions(events: list[Event]) -> set[tuple[str, str]]:
    return {(text(event, "pipeline"), text(event, "execution")) for event in events}


def errors(events: list[Event]) -> list[dict[str, object]]:
    return [error for event in events if isinstance(error := event.data.get("error"), dict)]


def test_the_same_seed_tells_the_same_story() -> None:
    assert tell(2 * MINUTE) == tell(2 * MINUTE)
    assert tell_history(20 * MINUTE) == tell_history(20 * MINUTE)


def test_another_seed_tells_another_story() -> None:
    one, other = (tell(2 * MINUTE, seed=seed) for seed in (1, 2))
    assert [(event.type, event.time) for event in one] != [(event.type, event.time) for event in other]
    assert not {event.id for event in one} & {event.id for event in other}


def test_in_the_first_minute_some_run_with_progress_some_ended_and_one_failed(
    first_minutes: list[Event],
) -> None:
    events = before(first_minutes, NOW + MINUTE)
    ended = of_type(events, "execution.finished")
    running = executions(of_type(events, "execution.started")) - executions(ended)
    assert len(executions(of_type(events, "execution.progressed")) & running) >= 3
    assert len(ended) >= 10
    assert any(
        "Traceback" in str(error.get("stacktrace")) for error in errors(of_type(events, "stage.finished"))
    )


def test_in_ten_minutes_every_type_of_event_and_every_status_is_seen(first_minutes: list[Event]) -> None:
    assert {event.type for event in first_minutes} == set(TYPES)
    assert {text(event, "status") for event in of_type(first_minutes, "execution.finished")} == STATUSES


def test_in_ten_minutes_errors_come_in_many_categories_some_with_context(first_minutes: list[Event]) -> None:
    found = errors(first_minutes)
    assert len({error["category"] for error in found}) >= 7
    assert len({error["type"] for error in found}) >= 9
    assert any(error.get("context") for error in found)


def test_an_execution_that_died_is_silent_for_longer_than_it_declared(first_minutes: list[Event]) -> None:
    last = {}
    for event in first_minutes:
        last[text(event, "pipeline"), text(event, "execution")] = event.time
    open_ones = executions(of_type(first_minutes, "execution.started")) - executions(
        of_type(first_minutes, "execution.finished")
    )
    lost = [
        event
        for event in of_type(first_minutes, "execution.started")
        if (key := (text(event, "pipeline"), text(event, "execution"))) in open_ones
        and "heartbeat_seconds" in event.data
        and last[key] + timedelta(seconds=float(text(event, "heartbeat_seconds"))) < NOW + 9 * MINUTE
    ]
    assert {event.data["pipeline"] for event in lost} == {"video-transcode"}


def test_an_execution_whose_sender_was_cut_off_ends_all_the_same(first_minutes: list[Event]) -> None:
    longest: dict[tuple[str, str], timedelta] = defaultdict(timedelta)
    last: dict[tuple[str, str], datetime] = {}
    for event in first_minutes:
        if text(event, "pipeline") == "video-transcode" and "execution" in event.data:
            key = (text(event, "pipeline"), text(event, "execution"))
            longest[key] = max(longest[key], event.time - last.get(key, event.time))
            last[key] = event.time
    ended = executions(of_type(first_minutes, "execution.finished"))
    assert any(silence > timedelta(seconds=30) and key in ended for key, silence in longest.items())


def test_one_takes_far_longer_than_usual_and_others_wait_for_it(first_minutes: list[Event]) -> None:
    started = {
        text(event, "execution"): event.time
        for event in of_type(first_minutes, "execution.started")
        if event.data["pipeline"] == "ledger-reconciliation"
    }
    took = sorted(
        (event.time - started[text(event, "execution")]).total_seconds()
        for event in of_type(first_minutes, "execution.finished")
        if text(event, "execution") in started
    )
    assert took[-1] > 5 * took[len(took) // 2]
    queued = {
        text(event, "execution"): event.time
        for event in of_type(first_minutes, "execution.queued")
        if text(event, "execution") in started
    }
    assert max(started[run] - queued[run] for run in started) > MINUTE


def test_one_fails_several_times_in_a_row(first_minutes: list[Event]) -> None:
    ends = [
        event.data["status"]
        for event in of_type(first_minutes, "execution.finished")
        if event.data["pipeline"] == "billing-export"
    ]
    assert ends[:12] == ["failed"] * 12
    assert "succeeded" in ends


def test_a_scheduled_start_is_missed_and_another_late(first_minutes: list[Event]) -> None:
    minutes = Counter(
        event.time.replace(second=0, microsecond=0)
        for event in of_type(first_minutes, "execution.queued")
        if event.data["pipeline"] == "postgres-wal-archive" and event.data["trigger"] == "schedule"
    )
    expected = {NOW.replace(second=0, microsecond=0) + number * MINUTE for number in range(1, 10)}
    assert expected - set(minutes)
    assert any(
        event.time.second > 20
        for event in of_type(first_minutes, "execution.queued")
        if event.data["pipeline"] == "postgres-wal-archive" and event.data["trigger"] == "schedule"
    )


def test_cron_is_kept_to_the_second_at_the_speed_of_life(first_minutes: list[Event]) -> None:
    due = [
        event
        for event in of_type(first_minutes, "execution.queued")
        if event.data["pipeline"] == "sales_warehouse" and event.data["trigger"] == "schedule"
    ]
    assert due
    for event in due:
        assert (event.time.minute % 2, event.time.second) == (0, 0)
        assert event.data["execution"] == f"scheduled__{event.time.isoformat()}"


def test_a_stream_lags_while_its_source_goes_on_and_then_catches_up(first_minutes: list[Event]) -> None:
    measured = [
        event
        for event in of_type(first_minutes, "stream.measured")
        if event.data["stream"] == "public.orders"
    ]
    lag = [
        (event.time - datetime.fromisoformat(text(event, "watermark"))).total_seconds() for event in measured
    ]
    depth = [int(text(event, "buffer_depth")) for event in measured]
    assert max(lag) > 200
    assert max(depth) > 1500
    assert lag[-1] < 10
    assert depth[-1] < 50
    worst = measured[lag.index(max(lag))]
    stalled = [event for event in measured if event.data["watermark"] == worst.data["watermark"]]
    assert len({text(event, "buffer_depth") for event in stalled}) > 10
    assert any(event.data.get("dead_letters") for event in of_type(first_minutes, "stream.measured"))


def test_one_gets_slower_than_its_own_usual_over_several_runs(first_minutes: list[Event]) -> None:
    def took(events: list[Event]) -> list[float]:
        started = {text(event, "execution"): event.time for event in of_type(events, "execution.started")}
        return [
            (event.time - started[text(event, "execution")]).total_seconds()
            for event in of_type(events, "execution.finished")
            if event.data["pipeline"] == "catalog-search-index"
        ]

    usual = median(took(tell_history(timedelta(days=1))))
    assert min(took(first_minutes)[4:9]) > 1.5 * usual


def test_the_quality_of_a_feed_drops_for_a_while(first_minutes: list[Event]) -> None:
    checks = [
        event
        for event in of_type(first_minutes, "records.checked")
        if event.data["pipeline"] == "product-feed-quality"
    ]
    scores = [
        int(text(event, "valid")) / (int(text(event, "valid")) + int(text(event, "invalid")))
        for event in checks
    ]
    assert scores[0] > 0.98
    assert min(scores) < 0.85
    assert scores[-1] > 0.95
    assert min(float(text(event, "completeness")) for event in checks) < 0.95


def test_the_cost_of_a_pipeline_multiplies_for_a_while_and_takes_its_budget(
    first_minutes: list[Event],
) -> None:
    costs: dict[int, float] = defaultdict(float)
    for call in of_type(first_minutes, "llm.called"):
        if call.data["pipeline"] == "content-enrichment" and "cost_usd" in call.data:
            costs[(call.time - NOW) // (3 * MINUTE)] += float(text(call, "cost_usd"))
    assert costs[1] > 8 * costs[0]
    (budget,) = [
        float(text(event, "llm_budget_usd"))
        for event in of_type(first_minutes, "declared")
        if event.data["pipeline"] == "content-enrichment"
    ]
    assert 0.8 * budget < sum(costs.values())


def test_a_stage_is_tried_again_far_more_often_than_it_should(first_minutes: list[Event]) -> None:
    attempts = [
        event
        for event in of_type(first_minutes, "stage.finished")
        if event.data["stage"] == "resolve" and event.data["environment"] == "production"
    ]
    assert sum(bool(event.data.get("retry")) for event in attempts) > 0.3 * len(attempts)


def test_logs_come_at_all_levels(first_minutes: list[Event]) -> None:
    levels = Counter(event.data["level"] for event in of_type(first_minutes, "log.emitted"))
    assert min(levels[level] for level in ("debug", "info", "warning", "error", "critical")) >= 3


def test_several_pipelines_run_more_often_than_once_a_minute(first_minutes: list[Event]) -> None:
    starts = Counter(text(event, "pipeline") for event in of_type(first_minutes, "execution.started"))
    assert sum(count >= 10 for count in starts.values()) >= 8


def test_a_graph_of_ten_stages_or_more_has_branches_that_run_side_by_side(first_minutes: list[Event]) -> None:
    (declared,) = [
        event
        for event in of_type(first_minutes, "declared")
        if event.data["pipeline"] == "document-processing"
    ]
    stages = declared.data["stages"]
    assert isinstance(stages, list)
    edges = {(before, stage["name"]) for stage in stages for before in stage["depends_on"]}
    assert len(stages) >= 10
    assert edges >= {(one, other) for one in ("ocr", "layout", "tables") for other in ("merge",)}
    assert edges >= {("classify", branch) for branch in ("ocr", "layout", "tables")}
    assert edges >= {("chunk", "embed"), ("chunk", "extract"), ("embed", "validate"), ("extract", "validate")}
    started = {
        (text(event, "execution"), text(event, "stage")): event.time
        for event in of_type(first_minutes, "stage.started")
    }
    side_by_side = [
        run
        for run, stage in started
        if stage == "ocr" and abs(started[run, "layout"] - started[run, stage]) < 2 * MINUTE
    ]
    assert side_by_side


def test_the_traffic_pattern_shows_in_target_rates_and_phases(first_minutes: list[Event]) -> None:
    phases = {
        text(event, "phase"): event.data["target_rate"]
        for event in of_type(first_minutes, "stream.measured")
        if "phase" in event.data
    }
    assert phases == {"base": 100.0, "peak 400%": 400.0, "peak 300%": 300.0}


def test_models_of_several_providers_answer_and_one_limits_the_rate(first_minutes: list[Event]) -> None:
    calls = of_type(first_minutes, "llm.called")
    assert len({call.data["provider"] for call in calls}) >= 4
    assert {error["type"] for error in errors(calls)} == {"RateLimitError", "InternalServerError"}
    answered = [call for call in calls if "error" not in call.data]
    priced = [call for call in answered if "cost_usd" in call.data]
    assert all(float(text(call, "cost_usd")) > 0 for call in priced)
    assert {call.data["provider"] for call in answered if call not in priced} == {"ollama"}


def test_graphs_stages_and_runs_come_in_every_form(first_minutes: list[Event]) -> None:
    started = of_type(first_minutes, "stage.started")
    assert any("index" in event.data for event in started)
    assert any("parent" in event.data for event in started)
    assert any(event.data.get("depends_on") for event in started)
    triggers = {text(event, "trigger") for event in of_type(first_minutes, "execution.started")}
    assert triggers >= {"schedule", "manual", "api", "upstream", "event"}
    declared = of_type(first_minutes, "declared")
    assert {text(event, "environment") for event in declared} == {"production", "staging", "development"}
    assert any(event.data["paused"] for event in declared)
    assert max(len(of) for event in declared if isinstance(of := event.data.get("stages"), list)) >= 10


def test_seven_days_of_history_are_below_150_000_events() -> None:
    events = tell_history(timedelta(days=7))
    assert 50_000 < len(events) < 150_000
    ends = Counter(text(event, "status") for event in of_type(events, "execution.finished"))
    assert 0.88 < ends["succeeded"] / ends.total() < 0.97


def test_a_longer_history_is_thinner_rather_than_larger() -> None:
    assert len(tell_history(timedelta(days=60))) < 150_000


def test_a_faster_story_takes_less_time_and_stays_on_the_clock() -> None:
    def usual(speed: float) -> float:
        events = tell(5 * MINUTE / speed, speed=speed)
        started = {text(event, "execution"): event.time for event in of_type(events, "execution.started")}
        took = [
            (event.time - started[text(event, "execution")]).total_seconds()
            for event in of_type(events, "execution.finished")
            if event.data["pipeline"] == "metrics-rollup"
        ]
        return sum(took) / len(took)

    assert usual(60) == pytest.approx(usual(1) / 60, rel=0.05)


@pytest.mark.parametrize(
    "again_after", [timedelta(microseconds=1), timedelta(seconds=61), timedelta(hours=5)]
)
def test_the_next_demo_repeats_no_id_of_this_one(again_after: timedelta) -> None:
    first = tell(5 * MINUTE)
    second = tell(5 * MINUTE, now=NOW + 5 * MINUTE + again_after)
    assert not {event.id for event in first} & {event.id for event in second}
    assert not executions(of_type(first, "execution.queued")) & executions(
        of_type(second, "execution.queued")
    )
