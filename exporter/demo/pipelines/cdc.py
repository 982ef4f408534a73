"""Change data capture to a lakehouse: one that streams for ever, and one in small batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import sin, tau

from exporter.demo.attempt import Attempt
from exporter.demo.backlog import Backlog
from exporter.demo.error import Error, go_trace
from exporter.demo.event import timestamp
from exporter.demo.execution import Execution
from exporter.demo.identity import cron_job, universal
from exporter.demo.pipeline import Fate, Pipeline, Schedule
from exporter.demo.simulation import Process, Simulation
from exporter.demo.stage import Stage, chain

CATALOG_DOWN = Error(
    type="CommitFailed",
    message="commit to iceberg catalog failed: dial tcp 10.4.7.21:8181: connect: connection refused",
    category="connection",
    component="iceberg-catalog",
    severity="critical",
    trace=go_trace(
        ("cdc/internal/sink.(*Writer).Commit(0xc0004e2000)", "/src/internal/sink/writer.go:218 +0x61d"),
        ("cdc/internal/sink.(*Writer).Flush(0xc0004e2000)", "/src/internal/sink/writer.go:164 +0x2b3"),
        ("cdc/internal/pipeline.(*Pipeline).drain(0xc000372000)", "/src/internal/pipeline/run.go:307 +0x1d9"),
        ("main.main()", "/src/cmd/worker/main.go:74 +0x3a5"),
    ),
    context={"catalog": "lakekeeper:8181", "retries": 5, "table": "lakehouse.orders"},
)

_POISON = "numeric field overflow: discount_percent 1000.00 does not fit decimal(5,2), row set aside"


def _catalog_is_down(simulation: Simulation) -> bool:
    """For four minutes live, soon after the start; in history for most of an hour every other day."""
    if simulation.live:
        return 0.1 <= simulation.phase(live=1500, history=1500) < 0.26
    return 0.3 <= simulation.phase(live=1500, history=172_800) < 0.315


@dataclass(slots=True)
class Table:
    """A table under capture: changes a second, their kinds, bytes a row, and what waits to be written."""

    name: str
    rate: float
    inserts: float = 0.4
    deletes: float = 0.02
    row: int = 420
    backlog: Backlog = field(default_factory=Backlog)

    def watermark(self) -> str | None:
        """When the last change that was written happened."""
        return timestamp(self.backlog.watermark) if self.backlog.watermark else None

    def changes(self, count: int) -> dict[str, int] | None:
        """So many changes by operation; None if there are none."""
        inserted, deleted = round(count * self.inserts), round(count * self.deletes)
        told = {"insert": inserted, "update": count - inserted - deleted, "delete": deleted}
        return {operation: number for operation, number in told.items() if number > 0} or None


_TABLES = (
    Table("orders", 14),
    Table("order_items", 38, inserts=0.9),
    Table("customers", 2.4, inserts=0.15, deletes=0.05, row=610),
    Table("inventory", 21, inserts=0.01, row=160),
    Table("promotions", 0.03, inserts=0.5),
)


class Capture:
    """The worker: reads changes, buffers them and commits them to the lake while the catalog lets it."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.simulation = execution.simulation
        self.random = execution.random
        self.tables = [replace(table, backlog=Backlog()) for table in _TABLES]
        stages = execution.pipeline.stages
        self.capture, self.buffer, self.sink = (Attempt(execution, stage) for stage in stages)
        self.down_for = 0

    def play(self) -> Process:
        """Work until the demo ends, in history until the worker is replaced at the end of the day."""
        for attempt in (self.capture, self.buffer, self.sink):
            attempt.start()
        steps = 0
        while pause := self.simulation.sampling(live=6, history=1200):
            yield pause
            steps += 1
            self._commit_or_fail(down=_catalog_is_down(self.simulation))
            seconds = pause * self.simulation.pace.speed
            for table in self.tables:
                self._measure(table, seconds)
            if not self.simulation.live or steps % 4 == 0:
                for attempt in (self.capture, self.buffer, self.sink):
                    attempt.use(seconds)
                    attempt.count()
        for attempt in (self.capture, self.buffer, self.sink):
            attempt.finish()
        self.execution.log("warning", "drained and stopped: a new version is deployed")
        self.execution.finish()

    def _commit_or_fail(self, *, down: bool) -> None:
        if not down:
            if self.down_for:
                self.sink.log("info", f"catalog is back, {self._waiting()} changes to write")
            self.down_for = 0
            return
        if self.down_for == 0:
            self.execution.tell(
                "pipeline.warning.raised",
                stage="capture",
                code="replication_slot_lag",
                message="replication slot philotes_orders holds back WAL: the sink does not confirm",
            )
        if self.down_for % 3 == 0:
            self._try_again()
        self.down_for += 1

    def _try_again(self) -> None:
        error = CATALOG_DOWN.within(waiting=self._waiting())
        self.sink.log("error", error.stacktrace, attempt=self.sink.number)
        self.sink.finish("failed", error, retry=True)
        self.sink = Attempt(self.execution, self.sink.stage, number=self.sink.number + 1)
        self.sink.start()

    def _waiting(self) -> int:
        return sum(table.backlog.waiting for table in self.tables)

    def _measure(self, table: Table, seconds: float) -> None:
        now, speed = self.simulation.instant, self.simulation.pace.speed
        # The shop's customers sleep at night.
        rate = table.rate * (1 + 0.5 * sin(tau * (now.hour + now.minute / 60 - 9) / 24))
        captured = max(0, round(self.random.gauss(rate * seconds, (rate * seconds) ** 0.5)))
        capacity = 0.0 if self.down_for else (3.5 * table.rate + 5) * seconds
        delay = self.execution.real(self.random.uniform(0.4, 1.6))
        written = table.backlog.handle(now, captured, capacity, rate=rate * speed, delay=delay)
        for attempt, items in ((self.capture, captured), (self.buffer, captured), (self.sink, written)):
            attempt.flow(items, items)
        self._tell_source(table, captured, written)
        if written or self.down_for:
            self._tell_sink(table, written)

    def _tell_source(self, table: Table, captured: int, written: int) -> None:
        behind = table.backlog.behind(self.simulation.instant)
        poisoned = self._poisoned(table, written)
        samples = [round(behind * self.random.lognormvariate(0, 0.35), 6) for _ in range(min(6, written))]
        self.execution.tell(
            "pipeline.stream.measured",
            stream=f"public.{table.name}",
            direction="in",
            stage="capture",
            events=table.changes(captured),
            watermark=table.watermark(),
            buffer_depth=table.backlog.waiting,
            dead_letters=poisoned,
            latency_seconds=samples or None,
        )

    def _poisoned(self, table: Table, written: int) -> int:
        """Rows that the sink sets aside: a few of one table, now and then."""
        if table.name != "order_items" or not written or self.random.random() > 0.06:
            return 0
        self.execution.tell(
            "pipeline.warning.raised",
            stage="sink",
            code="dead_letter",
            message=f"lakehouse.{table.name}: {_POISON}",
        )
        return self.random.randint(1, 3)

    def _tell_sink(self, table: Table, written: int) -> None:
        self.execution.tell(
            "pipeline.stream.measured",
            stream=f"lakehouse.{table.name}",
            direction="out",
            stage="sink",
            events=table.changes(written),
            watermark=table.watermark(),
            commits=1 if written else 0,
            files=1 + written // 4000 if written else 0,
            bytes=round(written * table.row * self.random.uniform(0.9, 1.1)),
        )


def _stream(execution: Execution, fate: Fate) -> Process:
    del fate
    return Capture(execution).play()


def _merge(attempt: Attempt, seconds: float) -> Process:
    """Merge a small batch, then tell what went through."""
    execution = attempt.execution
    yield from attempt.advance(seconds)
    table = Table("stock_levels", 9, inserts=0.05, row=180)
    count = attempt.taken
    watermark = timestamp(execution.simulation.instant - timedelta(seconds=execution.real(seconds)))
    for stream, direction in ((f"public.{table.name}", "in"), (f"lakehouse.{table.name}", "out")):
        execution.tell(
            "pipeline.stream.measured",
            stream=stream,
            direction=direction,
            stage=attempt.stage.name,
            events=table.changes(count),
            watermark=watermark,
            commits=1 if direction == "out" else None,
            files=1 if direction == "out" else None,
            bytes=count * table.row if direction == "out" else None,
        )


def _batch(execution: Execution) -> Fate:
    if execution.random.random() < 0.12:
        return Fate(nothing_to_do="no changes since the last checkpoint")
    return Fate()


PIPELINES = (
    Pipeline(
        name="orders-cdc",
        kind="streaming",
        owner="data-platform",
        description="Streams changes of the shop's PostgreSQL to Iceberg tables. Runs for ever.",
        labels={"team": "data-platform", "tier": "1", "source": "postgresql", "sink": "iceberg"},
        thresholds={"stream_lag_seconds": 60, "stream_stall_seconds": 120},
        stages=chain(
            Stage("capture", 60, kind="pgoutput", cores=0.5, memory=310, reads=40),
            Stage("buffer", 60, kind="buffer", cores=0.3, memory=900),
            Stage("sink", 60, kind="iceberg", cores=0.9, memory=760, writes=35),
        ),
        streams=tuple(f"{side}.{table.name}" for table in _TABLES for side in ("public", "lakehouse")),
        restarts=20,
        trigger="manual",
        first=1.0,
        heartbeat=45,
        identifier=universal,
        body=_stream,
    ),
    Pipeline(
        name="inventory-cdc",
        environment="staging",
        kind="cdc",
        owner="data-platform",
        description="The same for the warehouse's stock, in small batches.",
        labels={"team": "data-platform", "tier": "3", "source": "mysql", "sink": "iceberg"},
        stages=chain(
            Stage("read_binlog", 1.6, kind="debezium", items=260, reads=1),
            Stage("merge", 4.2, kind="iceberg", items=260, act=_merge, memory=640, writes=1),
            Stage("commit_checkpoint", 0.7, kind="sql"),
        ),
        streams=("public.stock_levels", "lakehouse.stock_levels"),
        schedule=Schedule(every=25, grace=12),
        first=2.0,
        history_every=1800,
        identifier=cron_job,
        fate=_batch,
    ),
)
