"""What OpenLineage's own Python client sent comes out right, disorder and all.

There is no truth file to hold it against: what was meant is said in the README of the recordings.
"""

from collections import Counter
from typing import Any

import msgspec
import pytest

from exporter.domain.status import Status
from tests.support.openlineage import bodies, by_pipeline, shown, stage, told


@pytest.mark.parametrize("name", ["olpy-endings", "olpy-headers"])
def test_every_way_of_ending(name: str) -> None:
    assert {pipeline: execution.status for pipeline, execution in by_pipeline(name).items()} == {
        "end.ok": Status.SUCCEEDED,
        "end.bad": Status.FAILED,
        "end.stopped": Status.CANCELLED,
        "end.lost": Status.RUNNING,
        "end.other_only": Status.RUNNING,
        "end.other": Status.SUCCEEDED,
    }


def test_a_burst_loses_and_confuses_nothing() -> None:
    found = shown("olpy-burst_sync")
    assert len(found) == 200
    assert len({pipeline for pipeline, _ in found}) == 10
    assert Counter(execution.status for execution in found.values()) == {
        Status.SUCCEEDED: 171,
        Status.FAILED: 29,
    }
    assert all(execution.duration is not None for execution in found.values())


def test_a_run_within_a_run_is_a_stage_and_its_second_run_an_attempt() -> None:
    (execution,) = by_pipeline("olpy-hierarchy").values()
    assert execution.pipeline == "nightly"
    assert execution.status is Status.SUCCEEDED
    tried = {
        path: [attempt.status for attempt in one.attempts] for (path, _), one in execution.stages.items()
    }
    assert tried == {
        ("extract",): [Status.SUCCEEDED],
        ("transform",): [Status.FAILED, Status.SUCCEEDED],
        ("transform", "query_1"): [Status.FAILED],
        ("load",): [Status.SUCCEEDED],
    }
    assert stage(execution, "extract").duration == pytest.approx(1.0, abs=0.01)


def test_statistics_are_items_and_artifacts_and_assertions_are_checks() -> None:
    payloads = [event.payload for event in told(bodies("olpy-spec"))]
    by_type: dict[str, dict[str, Any]] = {one.type: msgspec.to_builtins(one) for one in payloads}
    assert by_type["pipeline.stage.finished"]["items"] == {"in": 1000, "out": 420}
    artifact = by_type["pipeline.artifact.produced"]
    assert (artifact["name"], artifact["bytes"]) == ("shop.public.totals", 26880)
    assert artifact["uri"] == "postgres://db.example.org:5432/shop.public.totals"
    rules = by_type["pipeline.records.checked"]["rules"]
    assert rules == {"not_null_orders_amount": 7, "row_count_greater_than_orders": 0}


def test_a_run_with_all_facets_is_one_attempt_of_a_stage() -> None:
    (execution,) = by_pipeline("olpy-spec").values()
    # The parent itself is never heard of.
    assert (execution.pipeline, execution.status) == ("nightly", Status.RUNNING)
    (only,) = stage(execution, "orders.totals").attempts
    assert only.status is Status.SUCCEEDED
    assert only.duration == pytest.approx(2.014871)


def test_a_name_with_a_newline_and_a_body_of_180_kb_is_an_execution() -> None:
    ((pipeline, _), execution) = next(iter(shown("olpy-unicode_big").items()))
    assert pipeline.isprintable()
    assert pipeline.startswith('job with spaces/слэш "quotes" {braces}')
    assert execution.status is Status.FAILED


DISORDER: dict[str, tuple[Status, float | None]] = {
    "dis.complete_first": (Status.SUCCEEDED, 5.000023),
    "dis.no_start": (Status.SUCCEEDED, None),
    "dis.fail_no_start": (Status.FAILED, None),
    "dis.double_start": (Status.SUCCEEDED, 3.002585),
    "dis.exact_duplicate": (Status.SUCCEEDED, 1.999992),
    "dis.fail_after_complete": (Status.FAILED, 2.002043),
    "dis.same_time": (Status.SUCCEEDED, 0.0),
    "dis.old": (Status.SUCCEEDED, 5400.0),
    "dis.future": (Status.SUCCEEDED, 60.000986),
    "dis.tz_utc": (Status.SUCCEEDED, 0.201123),
    "dis.tz_plus0530": (Status.SUCCEEDED, 0.201406),
    "dis.tz_minus04": (Status.SUCCEEDED, 0.201398),
    # Its end was written to the second, and so precedes its start.
    "dis.millis": (Status.SUCCEEDED, 0.0),
    "dis.no_type": (Status.RUNNING, None),
    "dis.parent_never_seen": (Status.RUNNING, None),
    "dis.late_parent": (Status.SUCCEEDED, 4.00104),
    "dis.same_run_id": (Status.SUCCEEDED, 0.00312),
    "dis.same_run_id_other_job": (Status.SUCCEEDED, 0.00104),
}


def test_every_disorder_comes_out_right() -> None:
    found = by_pipeline("olpy-disorder")
    assert {name: (one.status, one.duration) for name, one in found.items()} == {
        name: (status, None if duration is None else pytest.approx(duration))
        for name, (status, duration) in DISORDER.items()
    }
    assert stage(found["dis.parent_never_seen"], "dis.orphan_child").status is Status.SUCCEEDED
    assert stage(found["dis.late_parent"], "dis.child_before_parent").duration == pytest.approx(1.001113)
