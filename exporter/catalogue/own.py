"""What the exporter tells of itself."""

from __future__ import annotations

from exporter.catalogue.metric import Kind, Metric, Scope

FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _own(
    name: str, kind: Kind, help_: str, *extra: str, unit: str = "", buckets: tuple[float, ...] = ()
) -> Metric:
    return Metric(
        f"pipeline_exporter_{name}", kind, help_, Scope.EXPORTER, unit=unit, buckets=buckets, extra=extra
    )


BUILD_INFO = _own(
    "build_info",
    Kind.GAUGE,
    "Version of the exporter and what it runs on, always 1.",
    "version",
    "python",
    "database",
)
EVENTS = _own("events_total", Kind.COUNTER, "Events by way in and what became of them.", "source", "outcome")
REFUSALS = _own(
    "refusals_total",
    Kind.COUNTER,
    "Requests whose events were not taken, by way in and HTTP status.",
    "source",
    "status",
)
UNMAPPED = _own(
    "unmapped_statuses_total", Kind.COUNTER, "Status words that stand for no status known here.", "word"
)
CORRECTIONS = _own(
    "corrections_total", Kind.COUNTER, "Ends that changed after they had been counted.", "what"
)
QUEUE_DEPTH = _own("queue_depth", Kind.GAUGE, "Events accepted over HTTP that wait for a commit.")
QUEUE_LIMIT = _own(
    "queue_limit", Kind.GAUGE, "Events that may wait before clients are asked to come back later."
)
COMMIT_SECONDS = _own(
    "commit_seconds",
    Kind.HISTOGRAM,
    "Time to apply and commit one group of events.",
    unit="seconds",
    buckets=FAST_BUCKETS,
)
COMMIT_FAILURES = _own(
    "commit_failures_total", Kind.COUNTER, "Groups of events that could not be made durable.", "reason"
)
SCRAPE_SECONDS = _own(
    "scrape_seconds", Kind.HISTOGRAM, "Time to answer a scrape.", unit="seconds", buckets=FAST_BUCKETS
)
SERIES = _own("series", Kind.GAUGE, "Series exposed for pipelines.")
SERIES_LIMIT = _own("series_limit", Kind.GAUGE, "Most series that pipelines may have.")
LABEL_OVERFLOW = _own(
    "label_overflow_total", Kind.COUNTER, "Times that a label value was exposed as __other__.", "label"
)
DATABASE_FREE = _own(
    "database_free_bytes",
    Kind.GAUGE,
    "Room that is left on the volume of the SQLite database.",
    unit="bytes",
)
DATABASE_VOLUME = _own(
    "database_volume_bytes", Kind.GAUGE, "Size of the volume of the SQLite database.", unit="bytes"
)
DATABASE_UP = _own("database_up", Kind.GAUGE, "1 if the latest access to the database succeeded.")
RETENTION_ROWS = _own("retention_deleted_rows_total", Kind.COUNTER, "Rows deleted by retention.", "table")
READER_ENDED = _own(
    "reader_queries_ended_total",
    Kind.COUNTER,
    "Queries of panels over PostgreSQL that lasted too long and were ended.",
)
UPKEEP_TASKS = ("alive", "lost", "missed", "spans", "retention", "reader")
"""What has to be done again and again without any event: `docs/architecture.md`."""
UPKEEP_FAILURES = _own(
    "upkeep_failures_total",
    Kind.COUNTER,
    "Rounds of upkeep whose task failed, by task (alive, lost, missed, spans, retention, reader) and reason (database, "
    "defect).",
    "task",
    "reason",
)
SOURCE_LAST_EVENT = _own(
    "source_last_event_timestamp_seconds",
    Kind.GAUGE,
    "When a way in last brought an accepted event.",
    "source",
    unit="seconds",
)
SOURCE_UP = _own(
    "source_up", Kind.GAUGE, "1 if a source of the configuration could be read last time, 0 if not.", "source"
)
SOURCE_LAST_READ = _own(
    "source_last_read_timestamp_seconds",
    Kind.GAUGE,
    "When a source of the configuration was last read whole.",
    "source",
    unit="seconds",
)
SOURCE_ROWS = _own(
    "source_rows_total", Kind.COUNTER, "Rows and documents read from a source of the configuration.", "source"
)
SOURCE_ERRORS = _own(
    "source_errors_total",
    Kind.COUNTER,
    "What went wrong with a source: away, defect, or row: one that could not be understood.",
    "source",
    "reason",
)
SOURCE_DONE = _own(
    "source_read_ratio", Kind.GAUGE, "How far a source was read of what it holds, from 0 to 1.", "source"
)

OWN: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
