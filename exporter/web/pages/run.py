"""One execution as a line of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporter.domain.baseline import Baseline
from exporter.domain.status import FAILING, Status
from exporter.domain.text import first_line
from exporter.domain.times import to_micros
from exporter.store.records import Execution
from exporter.web.answers.execution import ExecutionSummary, elapsed
from exporter.web.answers.pipeline import UsualDuration
from exporter.web.parameters import moment

SIGMAS = 3
"""Spreads above the usual duration from which an execution is said to be late."""


@dataclass(frozen=True, slots=True)
class Run:
    """An execution. Times in microseconds, durations in seconds; `late_by`: beyond what is usual."""

    id: str
    external_id: str
    pipeline: str
    environment: str
    kind: str | None
    status: Status
    stages: list[str]
    stages_done: int
    stages_total: int
    progress: float | None
    derived: bool
    eta: int | None
    began_at: int | None
    ended_at: int | None
    elapsed: float | None
    duration: float | None
    usual: float | None
    late_by: float | None
    error_type: str | None
    error_line: str | None
    error_stage: str | None

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look."""
        return self.status in FAILING


def run(execution: Execution, summary: ExecutionSummary, usual: UsualDuration | None, now: datetime) -> Run:
    """A line for an execution."""
    gone = elapsed(execution, now)
    error = summary.error
    line = None if error is None else first_line(error.message)
    return Run(
        id=execution.id,
        external_id=execution.external_id,
        pipeline=execution.pipeline,
        environment=execution.environment,
        kind=execution.kind,
        status=summary.status,
        stages=summary.current_stages,
        stages_done=summary.stages_done,
        stages_total=summary.stages_total,
        progress=summary.progress,
        derived=summary.progress_source == "derived",
        eta=None if summary.eta is None else moment(summary.eta),
        began_at=execution.started_at or execution.queued_at or execution.first_at,
        ended_at=execution.ended_at,
        elapsed=gone,
        duration=summary.duration_seconds,
        usual=None if usual is None else usual.median_seconds,
        late_by=_late(gone, usual) if execution.active else None,
        error_type=None if error is None or (line or "").startswith(error.type or "") else error.type,
        error_line=line,
        error_stage=None if error is None else error.stage,
    )


def _late(gone: float | None, usual: UsualDuration | None) -> float | None:
    """Seconds beyond the longest usual duration; a few runs say little about what is usual."""
    if gone is None or usual is None or usual.runs < 3:
        return None
    known = Baseline(usual.runs, usual.median_seconds, usual.mad_seconds, usual.p95_seconds)
    longest = max(known.p95, known.median + SIGMAS * known.sigma)
    return gone - longest if gone > longest * 1.1 else None


def remaining(run: Run, now: datetime) -> float | None:
    """Seconds to the expected end; below zero when it has passed."""
    return None if run.eta is None else (run.eta - to_micros(now)) / 1_000_000
