"""Every query of every dashboard, asked of a real Prometheus and PostgreSQL that a demo has filled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import panels
from tests.support.boards import Query, boards, chosen, promql, queries, sql
from tests.support.boards import panels as panels_of
from tests.support.exporter import Exporter
from tests.support.paths import REPOSITORY
from tests.support.postgresql import PostgreSQL
from tests.support.program import Program, wait_for
from tests.support.prometheus import Prometheus

SPEED = 20
LENGTH_SECONDS = 60
"""Twenty minutes of the demo's story: each of its incidents has happened by then."""
MOST_CHOICES = 200

EMPTY_WHEN_WELL = {
    # What the exporter tells of trouble that the demo does not make: a refusal, an unknown word, a full disk.
    "pipelines-exporter": {
        "Refused", "Unknown words", "Ways in", "Refused and failed", "Left out and put right",
        "Rows deleted by retention", "Room for the database",
    },
    # Nothing is late, or nobody was ever late, when the demo's schedules are kept.
    "pipelines-schedules": {"Latest by"},
    # A week without a trace of trouble is the rule for most kinds of alerts.
    "pipelines-errors": {"New kinds"},
}  # fmt: skip
"""Panels that may have no row although all works, by dashboard, each for the reason above it."""


@dataclass
class Stack:
    """What a demo has filled."""

    prometheus: Prometheus
    history: panels.Session
    pipelines: list[tuple[Any, ...]]
    stages: list[tuple[Any, ...]]
    executions: list[str]


@pytest.fixture(scope="module")
def stack(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Exporter, PostgreSQL and Prometheus with its rules, after twenty minutes of the demo's story."""
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as running:
        url = panels.prepare(postgresql, folder)
        exporter = Exporter(folder, "--config", str(_sources(folder)), database=url)
        prometheus = Prometheus(folder, _configuration(exporter, folder))
        demo = _demo(exporter, folder)
        for program in (exporter, prometheus, demo):
            program.start()
            running.callback(program.stop)
        exporter.wait_until_ready()
        prometheus.wait_until_ready()
        history = running.enter_context(panels.session(url))
        _wait_for_the_story(prometheus, demo)
        yield Stack(
            prometheus,
            history,
            _rows(history, "SELECT pipeline, environment FROM pipelines.pipelines ORDER BY 1, 2"),
            _rows(history, "SELECT DISTINCT pipeline, name FROM pipelines.stages ORDER BY 1, 2"),
            [id_ for (id_,) in _rows(history, _EXECUTIONS)],
        )


_EXECUTIONS = """
    SELECT id FROM (
      SELECT id, row_number() OVER (PARTITION BY pipeline, status ORDER BY queued_at DESC) AS place
      FROM pipelines.executions) e
    WHERE place <= 2
"""


def _sources(folder: Path) -> Path:
    """The exporter's configuration: a source with one event, and one that is away."""
    told = folder / "told"
    told.mkdir()
    event = {
        "specversion": "1.0", "id": "one", "source": "files", "type": "pipeline.execution.finished",
        "time": datetime.now(UTC).isoformat(),
        "data": {"pipeline": "from-a-file", "execution": "1", "status": "succeeded"},
    }  # fmt: skip
    (told / "events.jsonl").write_text(json.dumps(event) + "\n")
    sources = [
        {"name": "files", "preset": "cloudevents", "url": str(told), "every": "2s"},
        {"name": "away", "preset": "luigi", "url": f"sqlite:///{folder}/none.db", "every": "2s"},
    ]
    file = folder / "exporter.yml"
    file.write_text(yaml.safe_dump({"sources": sources}))
    return file


def _demo(exporter: Exporter, folder: Path) -> Program:
    command = ["pipeline-exporter", "demo", "--url", exporter.url, "--speed", str(SPEED), "--backfill", "6h"]
    environment = {"PATH": f"{REPOSITORY / '.venv' / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
    return Program("demo", command, folder=folder, environment=environment)


def _configuration(exporter: Exporter, folder: Path) -> dict[str, object]:
    """The stack's own, but that everything is looked at every two seconds."""
    rules = folder / "rules"
    rules.mkdir()
    for path in (REPOSITORY / "prometheus" / "rules").glob("*.yml"):
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            group["interval"] = "2s"
        (rules / path.name).write_text(yaml.safe_dump(content))
    return {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(rules / "*.yml")],
        "scrape_configs": [
            {
                "job_name": "pipeline-exporter",
                "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}],
            }
        ],
    }


def _wait_for_the_story(prometheus: Prometheus, demo: Program) -> None:
    began = time.monotonic()

    def told() -> bool:
        enough = prometheus.query("sum(increase(pipeline_executions_total[1m])) > 100")
        return bool(enough) and time.monotonic() - began > LENGTH_SECONDS

    wait_for(told, "twenty minutes of the demo's story", seconds=LENGTH_SECONDS + 60)
    assert demo.running, demo.log[-2000:]


def _rows(history: panels.Session, query: str) -> list[tuple[Any, ...]]:
    return history.execute(query.encode()).fetchall()


def _values(stack: Stack, query: Query) -> Iterable[dict[str, str]]:
    """Choices of variables under which some pipeline, stage or execution of the demo should show the panel."""
    board = boards()[query.board]
    declared = {variable["name"] for variable in board["templating"]["list"]}
    choices: list[dict[str, str]] = [{}]
    if "execution_id" in declared:
        choices = [{"execution_id": id_} for id_ in stack.executions]
    elif "stage" in declared:
        choices = [{"pipeline": pipeline, "stage": stage} for pipeline, stage in stack.stages]
    elif query.board == "pipelines-pipeline":
        choices = [{"pipeline": pipeline} for pipeline, _ in stack.pipelines]
    return (
        chosen(board, choice, lambda text: _rows(stack.history, text)) for choice in choices[:MOST_CHOICES]
    )


def _answers(stack: Stack, query: Query, values: Mapping[str, str]) -> bool:
    if query.language == "promql":
        return bool(stack.prometheus.query(promql(query.text, values)))
    return bool(_rows(stack.history, sql(query.text, values)))


@pytest.mark.slow
@pytest.mark.parametrize("query", [pytest.param(query, id=str(query)) for query in queries()])
def test_a_query_answers_from_what_the_demo_did(stack: Stack, query: Query) -> None:
    found = any(_answers(stack, query, values) for values in _values(stack, query))
    well = any(f" {title} " in f" {query.place} " for title in EMPTY_WHEN_WELL.get(query.board, ()))
    assert found or well, f"{query.place}: {query.text}"


LINES = [
    (uid, panel) for uid, board in boards().items() for panel in panels_of(board) if panel["type"] == "logs"
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("uid", "panel"), [pytest.param(uid, panel, id=f"{uid} | {panel['title']}") for uid, panel in LINES]
)
def test_what_a_log_panel_shows_is_the_line(stack: Stack, uid: str, panel: dict[str, Any]) -> None:
    """Grafana takes the first text column for it, whatever its name."""
    (target,) = panel["targets"]
    query = Query(uid, panel["title"], "sql", target["rawSql"])
    values = next(iter(_values(stack, query)))
    answer = stack.history.execute(sql(query.text, values).encode())
    text = [column.name for column in answer.description or () if column.type_display == "text"]
    assert text[:2] == ["body", "level"]
