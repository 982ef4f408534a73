"""The metrics of pipelines. Those that the exporter tells of itself are in `own`."""

from __future__ import annotations

from exporter.catalogue.metric import Kind, Metric, Scope
from exporter.catalogue.own import OWN
from exporter.domain.status import ACTIVE, FINAL, Status

DURATION_BUCKETS = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    20.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1200.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    28800.0,
    43200.0,
    86400.0,
)
"""Ten milliseconds to a day, no step wider than 2.5, so that quantiles between them mean something."""

LATENCY_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
)

# Source: OpenTelemetry semantic conventions for generative AI metrics.
GEN_AI_DURATION_BUCKETS = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
GEN_AI_TOKEN_BUCKETS = (
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262144.0,
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
)
GEN_AI_FIRST_TOKEN_BUCKETS = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)
GEN_AI_LABELS = (
    "stage",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "gen_ai_operation_name",
)

_FINAL = tuple(status.value for status in Status if status in FINAL)
_ACTIVE = tuple(status.value for status in Status if status in ACTIVE)
_ENDED_STAGE = tuple(status for status in _FINAL if status != Status.LOST)
_ALL = tuple(status.value for status in Status)

QUANTILES = ("0.5", "0.95")

EXECUTIONS = Metric(
    "pipeline_executions_total",
    Kind.COUNTER,
    "Executions that reached a final status.",
    Scope.PIPELINE,
    "status",
    _FINAL,
)
EXECUTION_DURATION = Metric(
    "pipeline_execution_duration_seconds",
    Kind.HISTOGRAM,
    "Time from an execution's start to its end, skipped and lost ones left out.",
    Scope.PIPELINE,
    unit="seconds",
    buckets=DURATION_BUCKETS,
)
EXECUTION_QUEUE_DURATION = Metric(
    "pipeline_execution_queue_duration_seconds",
    Kind.HISTOGRAM,
    "Time that an execution waited before it started.",
    Scope.PIPELINE,
    unit="seconds",
    buckets=DURATION_BUCKETS,
)
EXECUTIONS_ACTIVE = Metric(
    "pipeline_executions_active",
    Kind.GAUGE,
    "Executions that have not ended, by status.",
    Scope.PIPELINE,
    "status",
    _ACTIVE,
)
OLDEST_ACTIVE_START = Metric(
    "pipeline_oldest_active_execution_start_timestamp_seconds",
    Kind.GAUGE,
    "Start of the execution that has been running longest.",
    Scope.PIPELINE,
    unit="seconds",
)
LAST_START = Metric(
    "pipeline_last_execution_start_timestamp_seconds",
    Kind.GAUGE,
    "Start of the latest execution.",
    Scope.PIPELINE,
    unit="seconds",
)
LAST_END = Metric(
    "pipeline_last_execution_end_timestamp_seconds",
    Kind.GAUGE,
    "End of the execution that ended last.",
    Scope.PIPELINE,
    unit="seconds",
)
LAST_SUCCESS = Metric(
    "pipeline_last_success_timestamp_seconds",
    Kind.GAUGE,
    "End of the latest successful execution.",
    Scope.PIPELINE,
    unit="seconds",
)
LAST_DURATION = Metric(
    "pipeline_last_execution_duration_seconds",
    Kind.GAUGE,
    "Duration of the execution that ended last.",
    Scope.PIPELINE,
    unit="seconds",
)
LAST_STATUS = Metric(
    "pipeline_last_execution_status",
    Kind.GAUGE,
    "1 for the status of the execution that ended last, 0 for every other.",
    Scope.PIPELINE,
    "status",
    _FINAL,
)
LAST_EVENT = Metric(
    "pipeline_last_event_timestamp_seconds",
    Kind.GAUGE,
    "Time of the latest event of the pipeline.",
    Scope.PIPELINE,
    unit="seconds",
)
FIRST_EVENT = Metric(
    "pipeline_first_event_timestamp_seconds",
    Kind.GAUGE,
    "Time of the earliest event of the pipeline.",
    Scope.PIPELINE,
    unit="seconds",
)
CONSECUTIVE_FAILURES = Metric(
    "pipeline_consecutive_failures",
    Kind.GAUGE,
    "Executions that failed, timed out or were lost since the latest success.",
    Scope.PIPELINE,
)
DURATION_BASELINE = Metric(
    "pipeline_execution_duration_baseline_seconds",
    Kind.SUMMARY,
    "Usual duration: median and 95th percentile of recent successes.",
    Scope.PIPELINE,
    "quantile",
    QUANTILES,
    unit="seconds",
)
DURATION_BASELINE_MAD = Metric(
    "pipeline_execution_duration_baseline_mad_seconds",
    Kind.GAUGE,
    "Median absolute deviation of recent successes' durations.",
    Scope.PIPELINE,
    unit="seconds",
)
DURATION_BASELINE_RUNS = Metric(
    "pipeline_execution_duration_baseline_runs",
    Kind.GAUGE,
    "Recent successes that the usual duration rests on.",
    Scope.PIPELINE,
)
RECENT_DURATION = Metric(
    "pipeline_execution_recent_duration_seconds",
    Kind.GAUGE,
    "Median duration of the latest 5 successes.",
    Scope.PIPELINE,
    unit="seconds",
)
EARLIER_DURATION = Metric(
    "pipeline_execution_earlier_duration_seconds",
    Kind.GAUGE,
    "Median duration of the successes before the latest 5, of which there are 8 at least.",
    Scope.PIPELINE,
    unit="seconds",
)
EARLIER_DURATION_MAD = Metric(
    "pipeline_execution_earlier_duration_mad_seconds",
    Kind.GAUGE,
    "Median absolute deviation of the durations of those before.",
    Scope.PIPELINE,
    unit="seconds",
)
PIPELINE_INFO = Metric(
    "pipeline_info", Kind.GAUGE, "A pipeline, always 1.", Scope.PIPELINE, extra=("kind", "owner", "source")
)
SCHEDULE_NEXT = Metric(
    "pipeline_schedule_next_expected_timestamp_seconds",
    Kind.GAUGE,
    "When the next start is due, as declared or learnt.",
    Scope.PIPELINE,
    unit="seconds",
)
SCHEDULE_PERIOD = Metric(
    "pipeline_schedule_period_seconds",
    Kind.GAUGE,
    "Longest time between two starts that are due, as declared or learnt.",
    Scope.PIPELINE,
    unit="seconds",
)
SCHEDULE_MISSED = Metric(
    "pipeline_schedule_missed_total",
    Kind.COUNTER,
    "Due starts that did not happen within their grace.",
    Scope.PIPELINE,
)
SCHEDULE_PAUSED = Metric(
    "pipeline_schedule_paused",
    Kind.GAUGE,
    "1 while the schedule is paused, 0 while it is followed.",
    Scope.PIPELINE,
)
LLM_BUDGET = Metric(
    "pipeline_llm_budget_usd",
    Kind.GAUGE,
    "Declared budget for language model calls, in US dollars.",
    Scope.PIPELINE,
)
ALERT_THRESHOLD = Metric(
    "pipeline_alert_threshold",
    Kind.GAUGE,
    "Threshold of an alert that the pipeline's owner declared.",
    Scope.PIPELINE,
    "threshold",
)
ERRORS = Metric(
    "pipeline_errors_total", Kind.COUNTER, "Errors of executions and of attempts of stages.", Scope.ERROR
)

EXECUTION_PROGRESS = Metric(
    "pipeline_execution_progress_ratio",
    Kind.GAUGE,
    "How far an active execution is, 0 to 1, for the 200 that started last.",
    Scope.EXECUTION,
    unit="ratio",
)
EXECUTION_ETA = Metric(
    "pipeline_execution_eta_timestamp_seconds",
    Kind.GAUGE,
    "When an active execution is expected to end, for the 200 that started last.",
    Scope.EXECUTION,
    unit="seconds",
)

STAGE_EXECUTIONS = Metric(
    "pipeline_stage_executions_total",
    Kind.COUNTER,
    "Attempts of a stage that ended.",
    Scope.STAGE,
    "status",
    _ENDED_STAGE,
)
STAGE_DURATION = Metric(
    "pipeline_stage_duration_seconds",
    Kind.HISTOGRAM,
    "Time from an attempt's start to its end, skipped ones left out.",
    Scope.STAGE,
    unit="seconds",
    buckets=DURATION_BUCKETS,
)
STAGE_ACTIVE = Metric(
    "pipeline_stage_active", Kind.GAUGE, "Attempts of a stage that have not ended.", Scope.STAGE
)
STAGE_RETRIES = Metric(
    "pipeline_stage_retries_total", Kind.COUNTER, "Attempts of a stage beyond the first.", Scope.STAGE
)
STAGE_ITEMS = Metric(
    "pipeline_stage_items_total",
    Kind.COUNTER,
    "Items that a stage took in and gave out.",
    Scope.STAGE,
    "direction",
    ("in", "out"),
)
STAGE_CPU = Metric(
    "pipeline_stage_cpu_seconds_total",
    Kind.COUNTER,
    "CPU time used by a stage, all its processes together.",
    Scope.STAGE,
    unit="seconds",
)
STAGE_MEMORY_PEAK = Metric(
    "pipeline_stage_memory_peak_bytes",
    Kind.GAUGE,
    "Most memory held by the latest attempt of a stage.",
    Scope.STAGE,
    unit="bytes",
)
STAGE_BASELINE = Metric(
    "pipeline_stage_duration_baseline_seconds",
    Kind.SUMMARY,
    "Usual duration: median and 95th percentile of recent successes.",
    Scope.STAGE,
    "quantile",
    QUANTILES,
    unit="seconds",
)
STAGE_RECENT_DURATION = Metric(
    "pipeline_stage_recent_duration_seconds",
    Kind.GAUGE,
    "Median duration of a stage's latest 5 successes.",
    Scope.STAGE,
    unit="seconds",
)
STAGE_EARLIER_DURATION = Metric(
    "pipeline_stage_earlier_duration_seconds",
    Kind.GAUGE,
    "Median duration of the successes before the latest 5, of which there are 8 at least.",
    Scope.STAGE,
    unit="seconds",
)
STAGE_EARLIER_DURATION_MAD = Metric(
    "pipeline_stage_earlier_duration_mad_seconds",
    Kind.GAUGE,
    "Median absolute deviation of the durations of those before.",
    Scope.STAGE,
    unit="seconds",
)
STAGE_INFO = Metric("pipeline_stage_info", Kind.GAUGE, "A stage, always 1.", Scope.STAGE, extra=("kind",))
STAGE_LAYOUT_X = Metric(
    "pipeline_stage_layout_x",
    Kind.GAUGE,
    "Column of a stage in the drawing of the graph, in pixels.",
    Scope.STAGE,
)
STAGE_LAYOUT_Y = Metric(
    "pipeline_stage_layout_y",
    Kind.GAUGE,
    "Row of a stage in the drawing of the graph, in pixels.",
    Scope.STAGE,
)
EDGE_INFO = Metric("pipeline_edge_info", Kind.GAUGE, "An edge of the graph of stages, always 1.", Scope.EDGE)
EDGE_ITEMS = Metric(
    "pipeline_edge_items_total", Kind.COUNTER, "Items that an edge's source stage gave out.", Scope.EDGE
)

STREAM_EVENTS = Metric(
    "pipeline_stream_events_total",
    Kind.COUNTER,
    "Events that went through a stream.",
    Scope.STREAM,
    "operation",
)
STREAM_LATENCY = Metric(
    "pipeline_stream_latency_seconds",
    Kind.HISTOGRAM,
    "Time from an event's origin to its being processed.",
    Scope.STREAM,
    unit="seconds",
    buckets=LATENCY_BUCKETS,
)
STREAM_WATERMARK = Metric(
    "pipeline_stream_watermark_timestamp_seconds",
    Kind.GAUGE,
    "Up to when a stream has been processed.",
    Scope.STREAM,
    unit="seconds",
)
STREAM_LAST_EVENT = Metric(
    "pipeline_stream_last_event_timestamp_seconds",
    Kind.GAUGE,
    "When a stream last passed an event.",
    Scope.STREAM,
    unit="seconds",
)
STREAM_LAG = Metric(
    "pipeline_stream_lag_seconds",
    Kind.GAUGE,
    "Now minus the watermark: grows while a stream stands still.",
    Scope.STREAM,
    unit="seconds",
)
STREAM_BUFFER = Metric(
    "pipeline_stream_buffer_depth", Kind.GAUGE, "Events waiting to be processed.", Scope.STREAM
)
STREAM_DEAD_LETTERS = Metric(
    "pipeline_stream_dead_letters_total",
    Kind.COUNTER,
    "Events set aside because they could not be processed.",
    Scope.STREAM,
)
STREAM_COMMITS = Metric(
    "pipeline_stream_commits_written_total",
    Kind.COUNTER,
    "Commits written to the stream's target.",
    Scope.STREAM,
)
STREAM_FILES = Metric(
    "pipeline_stream_files_written_total", Kind.COUNTER, "Files written to the stream's target.", Scope.STREAM
)
STREAM_BYTES = Metric(
    "pipeline_stream_bytes_written_total", Kind.COUNTER, "Bytes written to the stream's target.", Scope.STREAM
)
STREAM_TARGET_RATE = Metric(
    "pipeline_stream_target_rate",
    Kind.GAUGE,
    "Events per second that a traffic pattern asks for.",
    Scope.STREAM,
)
STREAM_PHASE = Metric(
    "pipeline_stream_phase_info",
    Kind.GAUGE,
    "Phase of a traffic pattern, always 1.",
    Scope.STREAM,
    extra=("phase",),
)

RECORDS = Metric(
    "pipeline_records_total",
    Kind.COUNTER,
    "Records checked, by whether they were valid.",
    Scope.CHECK,
    "validity",
    ("valid", "invalid"),
)
QUALITY_SCORE = Metric(
    "pipeline_quality_score",
    Kind.GAUGE,
    "Valid part of the records of the latest check, 0 to 1.",
    Scope.CHECK,
)
COMPLETENESS = Metric(
    "pipeline_quality_completeness_ratio",
    Kind.GAUGE,
    "Part of the expected values present in the latest check.",
    Scope.CHECK,
    unit="ratio",
)
RULE_FAILURES = Metric(
    "pipeline_quality_rule_failures_total", Kind.COUNTER, "Records that broke a rule.", Scope.RULE
)

GEN_AI_DURATION = Metric(
    "gen_ai_client_operation_duration_seconds",
    Kind.HISTOGRAM,
    "Duration of a language model call, by the type of its error, if any.",
    Scope.MODEL,
    "error_type",
    ("",),
    unit="seconds",
    buckets=GEN_AI_DURATION_BUCKETS,
    native=GEN_AI_LABELS,
)
GEN_AI_TOKENS = Metric(
    "gen_ai_client_token_usage",
    Kind.HISTOGRAM,
    "Tokens of a language model call.",
    Scope.MODEL,
    "gen_ai_token_type",
    ("input", "output"),
    buckets=GEN_AI_TOKEN_BUCKETS,
    native=GEN_AI_LABELS,
)
GEN_AI_FIRST_TOKEN = Metric(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    Kind.HISTOGRAM,
    "Time until a streamed answer began.",
    Scope.MODEL,
    unit="seconds",
    buckets=GEN_AI_FIRST_TOKEN_BUCKETS,
    native=GEN_AI_LABELS,
)
LLM_CACHED_TOKENS = Metric(
    "pipeline_llm_cached_tokens_total",
    Kind.COUNTER,
    "Input tokens that a provider served from its cache.",
    Scope.MODEL,
)
LLM_REASONING_TOKENS = Metric(
    "pipeline_llm_reasoning_tokens_total",
    Kind.COUNTER,
    "Output tokens that a model thought with and did not show.",
    Scope.MODEL,
)
LLM_UNPRICED = Metric(
    "pipeline_llm_unpriced_calls_total",
    Kind.COUNTER,
    "Language model calls whose cost is not known: told by nobody, and no entry of the price file fits.",
    Scope.MODEL,
)
LLM_COST = Metric(
    "pipeline_llm_cost_usd_total", Kind.COUNTER, "Cost of language model calls, in US dollars.", Scope.MODEL
)

PIPELINE_METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
CATALOGUE: tuple[Metric, ...] = PIPELINE_METRICS + OWN
METRIC_OF_NAME = {metric.name: metric for metric in CATALOGUE}
