"""Metrics that short jobs leave in text files and push to a Pushgateway: runs and stages where they carry times."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, pushadd_to_gateway, write_to_textfile

from exporter.domain import events as e
from tests.support.prometheus import Pushgateway
from tests.support.sources import Reading, mapped, problems, reading, source, told

END = 1795310700.5


def registry(labels: dict[str, str] | None = None, **values: float) -> CollectorRegistry:
    """Gauges, as a job makes them."""
    made = CollectorRegistry()
    labels = labels or {}
    for name, value in values.items():
        gauge = Gauge(name, "As a job says.", list(labels), registry=made)
        (gauge.labels(**labels) if labels else gauge).set(value)
    return made


def backup(end: float, success: float, items: int = 0) -> CollectorRegistry:
    """What the documentation of Prometheus' client for Go has a backup push."""
    return registry(
        db_backup_last_completion_timestamp_seconds=end,
        db_backup_last_success_timestamp_seconds=success,
        db_backup_duration_seconds=12.5,
        db_backup_records_processed=items,
    )


def ends(of: Reading, pipeline: str) -> list[str]:
    return list(of.statuses(pipeline).values())


def test_a_text_file_that_is_overwritten_gives_each_run_once(tmp_path: Path, sqlite_url: str) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    with reading(sqlite_url, source("textfile", folder)) as read:
        for end, success in ((END, END + 0.001), (END + 60, END + 0.001), (END + 120, END + 120)):
            write_to_textfile(str(folder / "backup.prom"), backup(end, success, items=7))
            read.round()
            read.round()
        assert ends(read, "db_backup") == ["succeeded", "failed", "succeeded"]
        (run,) = [run for run, status in read.statuses("db_backup").items() if status == "failed"]
        assert run == str(END + 60)
        assert read.stages(run) == {("db_backup", None, 1): ("failed", "failed")}


def test_the_times_are_those_that_the_job_told(tmp_path: Path) -> None:
    write_to_textfile(str(tmp_path / "a.prom"), backup(END, END, items=7))
    (ended,) = [one for one in told(source("textfile", tmp_path)) if isinstance(one.payload, e.StageFinished)]
    assert isinstance(ended.payload, e.StageFinished)
    assert ended.time.timestamp() == END
    assert ended.payload.started_at is not None
    assert ended.payload.started_at.timestamp() == END - 12.5
    assert ended.payload.items == e.Items(out=7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_last_run_timestamp_seconds 1795310700\na_exit_code 0\n", {"a": "succeeded"}),
        ("a_last_run_timestamp_seconds 1795310700\na_exit_code 3\n", {"a": "failed"}),
        ("a_last_run_timestamp_seconds 1795310700\na_success 0\n", {"a": "failed"}),
        ("a_last_run_timestamp_seconds 1795310700\na_last_run_success 1\n", {"a": "succeeded"}),
        ("a_last_success_unixtime 1795310700\n", {"a": "succeeded"}),
        ("a_last_success_unixtime 0\n", {}),
        ("a_last_success_unixtime NaN\n", {}),
        ("a_duration_seconds 5\na_exit_code 1\n", {}),
        ("node_boot_time_seconds 1795310700\nprocess_start_time_seconds 1795310700\n", {}),
        ('x_end_time_seconds{job="b"} 1795310700\n', {"b": "succeeded"}),
        (
            "a_end_time_seconds 1795310700\nb_end_time_seconds 1795310700\n",
            {"a": "succeeded", "b": "succeeded"},
        ),
    ],
)
def test_what_names_mean(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    (tmp_path / "a.prom").write_text(text)
    of = source("textfile", tmp_path)
    found = {
        one.payload.pipeline: one.payload.status
        for one in told(of)
        if isinstance(one.payload, e.ExecutionFinished)
    }
    assert found == expected
    assert problems(source("textfile", tmp_path)) == []


def test_a_job_that_began_again_runs(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "t" / "a.prom"
    file.parent.mkdir()
    begun = "a_last_start_timestamp_seconds 1795310800\na_exit_code 1\n"
    with reading(sqlite_url, source("textfile", file.parent)) as read:
        file.write_text(f"{begun}a_last_end_timestamp_seconds 1795310700\n")
        read.round()
        assert read.statuses("a") == {"1795310800": "running"}
        file.write_text(f"{begun}a_last_end_timestamp_seconds 1795310805\n")
        read.round()
        assert read.statuses("a") == {"1795310800": "failed"}
        assert read.stages("1795310800") == {("a", None, 1): ("failed", "exit code 1")}


def test_a_label_that_names_a_stage_makes_stages(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "t" / "a.prom"
    file.parent.mkdir()
    file.write_text(
        'a_end_time_seconds{host="x"} 1795310700\na_exit_code{host="x"} 1\n'
        'a_end_time_seconds{host="x",stage="load"} 1795310690\na_duration_seconds{host="x",stage="load"} 4\n'
        'a_end_time_seconds{host="x",stage="send"} 1795310700\na_exit_code{host="x",stage="send"} 1\n'
        'b_start_time_seconds{step="only"} 1795310600\nb_end_time_seconds{step="only"} 1795310700\n'
    )
    with reading(sqlite_url, source("textfile", file.parent)) as read:
        read.round()
        ((run, status),) = read.statuses("a").items()
        assert (run, status) == ("1795310700 host=x", "failed")
        assert {name: stand[0] for (name, _, _), stand in read.stages(run).items()} == {
            "load": "succeeded",
            "send": "failed",
        }
        # What has no time of its own but a part that has is a run of that part.
        assert read.statuses("b") == {"1795310600 only": "succeeded"}
        assert list(read.stages("1795310600 only")) == [("only", None, 1)]


@pytest.mark.parametrize("text", ["a b\n", "a{ 1\n", "# TYPE a\nb{c=} x\n"])
def test_what_prometheus_could_not_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.prom").write_text(text)
    (problem,) = problems(source("textfile", tmp_path))
    assert problem.startswith("a.prom: ")


def test_what_jobs_pushed_is_read_from_a_pushgateway(pushgateway: Pushgateway, sqlite_url: str) -> None:
    def push(job: str, of: CollectorRegistry, **grouping: str) -> None:
        pushadd_to_gateway(pushgateway.url, job=job, registry=of, grouping_key=grouping)

    with reading(sqlite_url, source("pushgateway", pushgateway.url)) as read:
        push("nightly", registry(job_last_success_unixtime=END, nightly_duration_seconds=20))
        push("dump", backup(END, END), db="customers")
        push("dump", backup(END, END - 3600), db="orders")
        push("copied", registry(copied_duration_seconds=3))
        push("other", registry(queue_length=3))
        push("etl", registry({"stage": "load"}, etl_end_time_seconds=END))
        push("steps", registry(took_duration_seconds=2), step="one")
        read.round()
        read.round()
        assert read.statuses("nightly") == {str(END): "succeeded"}
        assert read.statuses("dump") == {f"{END} db=customers": "succeeded", f"{END} db=orders": "failed"}
        assert ends(read, "copied") == ["succeeded"]
        assert read.statuses("other") == {}
        assert read.statuses("etl") == {f"{END} load": "succeeded"}
        ((run, status),) = read.statuses("steps").items()
        assert (run.split()[1], status) == ("one", "succeeded")
        assert list(read.stages(run)) == [("one", None, 1)]
        count = read.count()
        push_to_gateway(pushgateway.url, job="nightly", registry=registry(job_last_success_unixtime=END + 60))
        read.round()
        assert ends(read, "nightly") == ["succeeded", "succeeded"]
        assert read.count() == count + 2
        assert read.metric("source_up", source="ours") == 1


def test_a_mapping_of_ones_own_names_its_own_metrics(tmp_path: Path) -> None:
    text = """system: ours
reads_from: folder
reads:
  - name: jobs
    files: "*.prom"
    format: prometheus
    samples:
      times: {ended: fertig_um}
      fields: {good: gut}
      parts: [schritt]
    emits:
      - has: [ended]
        execution:
          pipeline: file
          execution: ended
          status: {path: good, words: {"1": ok, "0": boom}}
          ended_at: ended
"""
    (tmp_path / "nachts.prom").write_text("fertig_um 1795310700\ngut 0\n")
    (ended,) = told(mapped(text, str(tmp_path)))
    assert isinstance(ended.payload, e.ExecutionFinished)
    assert (ended.payload.pipeline, ended.payload.status) == ("nachts", "failed")
