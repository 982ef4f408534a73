"""Totals that Prometheus records for dashboards: replicas folded, less often than scraped, with the labels panels use.

A day of a counter scraped every few seconds is thousands of samples a series; a panel over all pipelines reads all of
them. Recorded, it is a tenth or less. Rates of these want a window of four times their interval: give the query's
target `interval`, and Grafana's `$__rate_interval` is as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.catalogue import metrics as m
from exporter.catalogue.metric import Kind, Metric
from exporter.catalogue.promql import select

OFTEN, SELDOM = "1m", "2m"
"""How often totals are recorded, and how often buckets of histograms, of which there are many."""

_MODEL = ("gen_ai_provider_name", "gen_ai_request_model")


@dataclass(frozen=True, slots=True)
class Summed:
    """A recorded total, and the metric that it is of; `part` is the suffix of a histogram's series."""

    metric: Metric
    of: Metric
    part: str = ""
    also: tuple[tuple[str, str], ...] = ()
    """Labels that get the name that others have for the same, as (old, new)."""

    @property
    def expr(self) -> str:
        """The query to record."""
        inner = f"max without (instance, pod) ({select(self.of, self.part)})"
        for old, new in self.also:
            inner = f'label_replace({inner}, "{new}", "$1", "{old}", "(.*)")'
        le = ("le",) if self.part == "_bucket" else ()
        return f"sum by ({', '.join(('job', *self.metric.labels, *le))}) ({inner})"


def _total(name: str, of: Metric, help_: str, *labels: str, part: str = "") -> Summed:
    return Summed(_metric(name, Kind.COUNTER, of, help_, labels), of, part)


def _buckets(name: str, of: Metric, help_: str, *labels: str) -> Summed:
    return Summed(_metric(name, Kind.HISTOGRAM, of, help_, labels), of, "_bucket")


def _metric(name: str, kind: Kind, of: Metric, help_: str, labels: Iterable[str]) -> Metric:
    return Metric(name, kind, help_, of.scope, native=tuple(labels), buckets=of.buckets)


_STREAM = ("stream", "direction")
_STREAM_EVENTS = _total(
    "stream:events:total", m.STREAM_EVENTS, "Events that went through a stream.", *_STREAM
)
_OPERATIONS = _total(
    "stream:operations:total",
    m.STREAM_EVENTS,
    "Events that went through a stream, by what they did.",
    *_STREAM,
    "operation",
)
_DEAD_LETTERS = _total(
    "stream:dead_letters:total", m.STREAM_DEAD_LETTERS, "Events of a stream that were set aside.", *_STREAM
)
_COMMITS = _total("stream:commits:total", m.STREAM_COMMITS, "Commits written to a stream's target.", *_STREAM)
_FILES = _total("stream:files:total", m.STREAM_FILES, "Files written to a stream's target.", *_STREAM)
_BYTES = _total("stream:bytes:total", m.STREAM_BYTES, "Bytes written to a stream's target.", *_STREAM)
_STREAM_LATENCY = _buckets(
    "stream:latency_seconds:histogram",
    m.STREAM_LATENCY,
    "Time from an event's origin to its being processed.",
    *_STREAM,
)
_MISSED = _total("pipeline:schedule_missed:total", m.SCHEDULE_MISSED, "Due starts that did not happen.")
_QUEUE = _buckets(
    "pipeline:queue_duration_seconds:histogram",
    m.EXECUTION_QUEUE_DURATION,
    "Time that executions waited to start.",
)
_RECORDS = _total(
    "check:records:total",
    m.RECORDS,
    "Records checked, by whether they were valid.",
    "stage",
    "stream",
    "validity",
)
_RULE_FAILURES = _total(
    "rule:failures:total", m.RULE_FAILURES, "Records that broke a rule.", "stage", "stream", "rule"
)
_CALLS = _total(
    "model:calls:total", m.GEN_AI_DURATION, "Calls of a language model.", *_MODEL, "error_type", part="_count"
)
_CALL_LATENCY = _buckets(
    "model:call_duration_seconds:histogram",
    m.GEN_AI_DURATION,
    "Duration of a language model's calls.",
    *_MODEL,
)
_FIRST_TOKEN = _buckets(
    "model:first_token_seconds:histogram",
    m.GEN_AI_FIRST_TOKEN,
    "Time until a streamed answer began.",
    *_MODEL,
)
_TOKENS = _total(
    "model:tokens:total",
    m.GEN_AI_TOKENS,
    "Tokens of a language model.",
    *_MODEL,
    "gen_ai_token_type",
    part="_sum",
)
_AS_MODEL = (("provider", "gen_ai_provider_name"), ("request_model", "gen_ai_request_model"))
_CACHED = replace(
    _total(
        "model:cached_tokens:total", m.LLM_CACHED_TOKENS, "Input tokens from a provider's cache.", *_MODEL
    ),
    also=_AS_MODEL,
)
_COST = replace(
    _total("model:cost_usd:total", m.LLM_COST, "Cost of a language model, in US dollars.", *_MODEL),
    also=_AS_MODEL,
)
_UNPRICED = replace(
    _total(
        "model:unpriced_calls:total",
        m.LLM_UNPRICED,
        "Calls of a language model whose cost is not known.",
        *_MODEL,
    ),
    also=_AS_MODEL,
)
_REASONING = replace(
    _total(
        "model:reasoning_tokens:total",
        m.LLM_REASONING_TOKENS,
        "Output tokens that a model thought with.",
        *_MODEL,
    ),
    also=_AS_MODEL,
)

STREAM_EVENTS, OPERATIONS = _STREAM_EVENTS.metric, _OPERATIONS.metric
DEAD_LETTERS, STREAM_LATENCY = _DEAD_LETTERS.metric, _STREAM_LATENCY.metric
COMMITS, FILES, BYTES = _COMMITS.metric, _FILES.metric, _BYTES.metric
MISSED, QUEUE = _MISSED.metric, _QUEUE.metric
RECORDS, RULE_FAILURES = _RECORDS.metric, _RULE_FAILURES.metric
CALLS, CALL_LATENCY, FIRST_TOKEN = _CALLS.metric, _CALL_LATENCY.metric, _FIRST_TOKEN.metric
TOKENS, CACHED, REASONING = _TOKENS.metric, _CACHED.metric, _REASONING.metric
COST, UNPRICED = _COST.metric, _UNPRICED.metric

TOTALS = (
    _STREAM_EVENTS,
    _OPERATIONS,
    _DEAD_LETTERS,
    _COMMITS,
    _FILES,
    _BYTES,
    _MISSED,
    _RECORDS,
    _RULE_FAILURES,
    _CALLS,
    _TOKENS,
    _CACHED,
    _REASONING,
    _COST,
    _UNPRICED,
)
BUCKETS = (_STREAM_LATENCY, _QUEUE, _CALL_LATENCY, _FIRST_TOKEN)
