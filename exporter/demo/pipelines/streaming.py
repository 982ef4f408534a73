"""A load test of a stream through Kafka and Flink: the traffic follows a pattern, the engine not always."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.demo.attempt import Attempt
from exporter.demo.backlog import Backlog
from exporter.demo.error import Error, java_trace
from exporter.demo.event import timestamp
from exporter.demo.execution import Execution
from exporter.demo.identity import numbered
from exporter.demo.pipeline import Fate, Pipeline, Schedule
from exporter.demo.simulation import Process
from exporter.demo.stage import Artifact, Stage, chain

_BASE_RATE = 100
_LENGTH = 480.0
_PATTERN = ((120.0, 240.0, 4.0), (360.0, 420.0, 3.0))
"""Peaks: from, to (seconds of the test), times the base rate."""

_CAPACITY = 290.0
"""Events a second that the job gets through."""

_SESSIONS = 0.12
"""Sessions that the job makes of one event."""

TASK_MANAGER_LOST = Error(
    type="TimeoutException",
    message="Heartbeat of TaskManager with id taskmanager-2:6122-9f3a1c timed out.",
    category="timeout",
    component="flink",
    severity="critical",
    trace=java_trace(
        "org.apache.flink.runtime.jobmaster.JobMaster$TaskManagerHeartbeatListener.notifyHeartbeatTimeout(Jo"
        "bMaster.java:1442)",
        "org.apache.flink.runtime.heartbeat.DefaultHeartbeatMonitor.run(DefaultHeartbeatMonitor.java:161)",
        "java.base/java.util.concurrent.Executors$RunnableAdapter.call(Executors.java:539)",
        "java.base/java.lang.Thread.run(Thread.java:840)",
        name="java.util.concurrent.TimeoutException",
    ),
    context={"job": "sessionize", "restart_strategy": "exponential-delay", "checkpoint": 118},
)

UNKNOWN_FIELD = Error(
    type="SerializationException",
    message="Error deserializing Avro message for id 41: field 'consent' of type enum cannot hold 'PARTIAL'",
    category="serialization",
    component="schema-registry",
    trace=java_trace(
        "io.confluent.kafka.serializers.AbstractKafkaAvroDeserializer.deserialize(AbstractKafkaAvroDeseriali"
        "zer.java:162)",
        "org.apache.flink.formats.avro.RegistryAvroDeserializationSchema.deserialize(RegistryAvroDeserializa"
        "tionSchema.java:81)",
        cause="org.apache.avro.AvroTypeException: No enum value PARTIAL in example.Consent",
        cause_frames=("org.apache.avro.io.ResolvingDecoder.readEnum(ResolvingDecoder.java:264)",),
        name="org.apache.kafka.common.errors.SerializationException",
    ),
    context={"topic": "clicks", "schema_id": 41, "partition": 3},
)


def _gate(errors: float) -> Error:
    return Error(
        type="GateFailed",
        message=f"error rate {errors:.2%} exceeds the limit of 1.00%",
        category="data_quality",
        component="load-test",
        context={"error_rate": round(errors, 5), "limit": 0.01},
    )


@dataclass(slots=True)
class Traffic:
    """What the pattern asks for at a second of the test."""

    factor: float
    phase: str

    @classmethod
    def at(cls, second: float) -> Traffic:
        """Base rate, or the peak that the second falls in."""
        for begin, end, factor in _PATTERN:
            if begin <= second < end:
                return cls(factor, f"peak {factor:.0%}")
        return cls(1.0, "base")


class LoadTest:
    """Producer, broker, job and consumer, all at work for the length of the test."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.random = execution.random
        self.attempts = [Attempt(execution, stage) for stage in execution.pipeline.stages]
        self.backlog = Backlog()
        self.produced = 0
        self.refused = 0
        self.recovers_until = -1.0
        # Some tests meet a schema that changed under way, some lose a task manager in the first peak.
        self.schema_changed = execution.number % (3 if execution.detailed else 9) == 1
        self.loses_task_manager = execution.number % 2 == 0

    def play(self) -> Process:
        """Follow the pattern, then judge."""
        second = 0.0
        for attempt in self.attempts:
            attempt.start()
        while second < _LENGTH:
            step = 5.0 if self.execution.detailed else 60.0
            yield self.execution.real(step)
            second += step
            traffic = Traffic.at(second)
            self._flow(step, second, traffic)
            if second % 20 == 0:
                for attempt in self.attempts:
                    attempt.use(20 if self.execution.detailed else step)
                    attempt.count()
            progress = min(0.99, second / _LENGTH)
            self.execution.report(progress, f"{traffic.phase}, {self.backlog.waiting} events wait")
        for attempt in self.attempts:
            attempt.make()
            attempt.finish()
        errors = self.refused / max(1, self.produced)
        self.execution.finish(
            "failed" if errors > 0.01 else "succeeded", _gate(errors) if errors > 0.01 else None
        )

    def _flow(self, step: float, second: float, traffic: Traffic) -> None:
        now, speed = self.execution.simulation.instant, self.execution.simulation.pace.speed
        wanted = _BASE_RATE * traffic.factor * step
        made = max(0, round(self.random.gauss(wanted, wanted**0.5)))
        refused = round(made * self.random.uniform(0.01, 0.04)) if self.schema_changed and second > 240 else 0
        if self.loses_task_manager and second >= 150:
            self._lose_task_manager(second)
        capacity = 0.0 if second < self.recovers_until else _CAPACITY * step
        rate, delay = _CAPACITY * speed, self.execution.real(0.12)
        done = self.backlog.handle(now, made - refused, capacity, rate=rate, delay=delay)
        for attempt, taken, given in zip(
            self.attempts,
            (made, made, done, round(done * _SESSIONS)),
            (made, made, round(done * _SESSIONS), round(done * _SESSIONS)),
            strict=True,
        ):
            attempt.flow(taken, given)
        self.produced += made
        self.refused += refused
        self._measure(traffic, made, done, refused)
        self._check(made, refused)
        self._warn(refused, capacity)

    def _measure(self, traffic: Traffic, made: int, done: int, refused: int) -> None:
        now = self.execution.simulation.instant
        watermark = timestamp(self.backlog.watermark or now)
        behind = self.backlog.behind(now)
        latency = [round(behind * self.random.lognormvariate(0, 0.3), 6) for _ in range(8)] if done else []
        sessions = {"upsert": round(done * _SESSIONS)}
        self._tell(
            stream="clicks",
            direction="out",
            stage="producer",
            events={"insert": made},
            target_rate=round(_BASE_RATE * traffic.factor * self.execution.simulation.pace.speed, 3),
            phase=traffic.phase,
            bytes=made * 310,
        )
        self._tell(
            stream="clicks",
            direction="in",
            stage="flink",
            events={"insert": done},
            buffer_depth=self.backlog.waiting,
            dead_letters=refused,
            watermark=watermark,
            latency_seconds=[round(sample * 0.8, 6) for sample in latency] or None,
        )
        self._tell(stream="sessions", direction="out", stage="flink", events=sessions, watermark=watermark)
        self._tell(
            stream="sessions",
            direction="in",
            stage="consumer",
            events=sessions,
            watermark=watermark,
            latency_seconds=latency or None,
        )

    def _tell(self, **measured: object) -> None:
        self.execution.tell("pipeline.stream.measured", **measured)

    def _check(self, made: int, refused: int) -> None:
        invalid = refused + round(made * 0.001)
        self.execution.tell(
            "pipeline.records.checked",
            stream="clicks",
            valid=made - invalid,
            invalid=invalid,
            rules={"avro_schema": refused, "session_id_present": invalid - refused},
            completeness=round(1 - invalid / max(1, made), 6),
        )

    def _warn(self, refused: int, capacity: float) -> None:
        if refused and refused == self.refused:
            self._warn_of_schema()
        busy = min(100, round(self.backlog.waiting / 40))
        if busy > 45 and capacity:
            self.execution.tell(
                "pipeline.warning.raised",
                stage="flink",
                code="backpressure",
                message=f"source is back-pressured {busy} % of the time",
            )

    def _lose_task_manager(self, second: float) -> None:
        self.loses_task_manager = False
        self.recovers_until = second + 20
        job = self.attempts[2]
        job.log("error", TASK_MANAGER_LOST.stacktrace, attempt=job.number)
        job.finish("failed", TASK_MANAGER_LOST, retry=True)
        self.attempts[2] = Attempt(self.execution, job.stage, number=job.number + 1)
        self.attempts[2].start()
        self.attempts[2].log("info", "restoring from checkpoint 118 (14.2 MB, 31 s old)")

    def _warn_of_schema(self) -> None:
        self.attempts[2].log("error", UNKNOWN_FIELD.stacktrace, topic="clicks", schema_id=41)
        self.execution.tell(
            "pipeline.warning.raised", stage="flink", code="dead_letters", message=UNKNOWN_FIELD.message
        )


def _play(execution: Execution, fate: Fate) -> Process:
    del fate
    return LoadTest(execution).play()


def _parameters(execution: Execution) -> dict[str, object]:
    del execution
    pattern = ",".join(f"{begin / 60:.0f}m-{end / 60:.0f}m:{factor:.0%}" for begin, end, factor in _PATTERN)
    return {"message_rate": _BASE_RATE, "duration": f"{_LENGTH / 60:.0f}m", "traffic_pattern": pattern}


PIPELINES = (
    Pipeline(
        name="clickstream-sessions",
        environment="staging",
        kind="streaming",
        owner="streaming-platform",
        description=(
            "Load test of the sessions job: producer, Kafka, Flink and consumer under a traffic pattern."
        ),
        labels={"team": "streaming", "tier": "2", "engine": "flink"},
        stages=chain(
            Stage("producer", _LENGTH, kind="producer", cores=0.6, memory=180),
            Stage("kafka", _LENGTH, kind="broker", cores=0.8, memory=1400, writes=12),
            Stage("flink", _LENGTH, kind="flink", cores=2.6, memory=2300),
            Stage(
                "consumer",
                _LENGTH,
                kind="consumer",
                cores=0.3,
                memory=240,
                makes=(
                    Artifact(
                        "report.html", "file:///reports/execution-report-{serial}.html", "text/html", 0.6
                    ),
                ),
            ),
        ),
        # Load tests of the past were rarer than those of the demo are.
        thresholds={"success_age_periods": 20, "success_objective": 0.75},
        streams=("clicks", "sessions"),
        schedule=Schedule(every=540, grace=60),
        trigger="ci",
        first=3.0,
        history_every=7200,
        heartbeat=45,
        reports_progress=True,
        identifier=numbered,
        parameters=_parameters,
        body=_play,
    ),
)
