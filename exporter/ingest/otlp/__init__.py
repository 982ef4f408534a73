"""OTLP over HTTP: spans become domain events.

A request is decoded into spans (`wire`), which the store keeps until it is known where they belong
(`exporter.store.gather`). What a span then means, one of the dialects says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

import msgspec
from msgspec.structs import astuple

from exporter.domain.events import Event
from exporter.domain.identity import event_identity
from exporter.domain.spans import Call, Place, Reading, Span
from exporter.domain.times import from_micros
from exporter.ingest.llm import content
from exporter.ingest.llm.calls import Calls
from exporter.ingest.llm.prices import PriceList
from exporter.ingest.otlp import (
    airflow,
    calls_within,
    celery,
    cicd,
    dagster,
    genai,
    generic,
    langfuse,
    logfire,
    mapping,
    metaflow,
    prefect,
)
from exporter.ingest.otlp.crowds import Crowds
from exporter.ingest.otlp.wire import Batch, decode

__all__ = ["Batch", "Reader", "decode", "mapping"]


WAY = "spans"

_DIALECTS = (
    (prefect.claims, prefect.read),
    (celery.claims, celery.read),
    (genai.is_of_workflow, genai.read_of_workflow),
    (cicd.claims, cicd.read),
)
"""Those whose spans need to know what encloses them."""


class Reader:
    """Reads spans by a mapping file, the known dialects, or their place in the trace alone.

    `llm_content`: "store" keeps prompts and answers, "drop" does not. `emails`: whether addresses of people go.
    """

    def __init__(
        self,
        *,
        mapping: mapping.Mapping | None = None,
        prices: Callable[[], PriceList] | None = None,
        llm_content: str = content.DROP,
        emails: bool = False,
    ) -> None:
        self._mapping = mapping
        self._guard = content.Guard(
            store=llm_content == content.STORE,
            emails=emails,
            named=frozenset() if mapping is None else mapping.attributes,
        )
        self.calls = Calls(prices, self._guard)
        self._crowds = Crowds()

    def kept(self, spans: list[Span]) -> list[Span]:
        """The spans that tell of pipelines, without what must not be kept."""
        taken = self._guard.spans([span for span in spans if not prefect.is_noise(span)])
        return [logfire.spoken(langfuse.spoken(span)) for span in taken]

    def read(
        self, span: Span, parent: Place | None, *, orphan: bool = False, child: Place | None = None
    ) -> Reading | None:
        """What a span means below a parent; None while that depends on a parent which is not known."""
        reading = self._read(span, parent, orphan=orphan, child=child)
        return None if reading is None else self._crowds.apart(span, reading)

    def _read(self, span: Span, parent: Place | None, *, orphan: bool, child: Place | None) -> Reading | None:
        rule = None if self._mapping is None else self._mapping.rule_of(span)
        if genai.is_call(span):
            return genai.read_call(span, parent, orphan=orphan)
        if rule is not None:
            return mapping.read_span(rule, span, parent, orphan=orphan)
        if airflow.claims(span):
            return airflow.read(span)
        if dagster.claims(span):
            return dagster.read(span, parent)
        if metaflow.claims(span):
            return metaflow.read(span, parent, orphan=orphan, child=child)
        claimed = next((read for claims, read in _DIALECTS if claims(span)), generic.read)
        return claimed(span, parent, orphan=orphan)

    def call_of(self, span: Span) -> Call | None:
        """What a span is known by that is a call of a language model."""
        return genai.known_by(span) if genai.is_call(span) and not logfire.is_opening(span) else None

    def filled(self, span: Span, reading: Reading, others: Sequence[Span]) -> Reading:
        """The reading of a call with what it does not tell, and calls within or beside it do."""
        return calls_within.filled(span, reading, others)

    def events(self, span: Span, reading: Reading) -> list[Event]:
        """The domain events of a reading. Their identities follow from the span and what is told of it."""
        place = reading.place
        found: list[Event] = []
        for moment in reading.moments:
            # As a tuple, since defaults are left out of an object only if they are the very same text in memory.
            content = msgspec.json.encode(astuple(moment.payload), order="deterministic")
            told = blake2b(content, digest_size=16).hexdigest()
            identity = event_identity(
                "otlp",
                "\x1f".join(
                    (span.trace, span.id, str(span.start), str(moment.time), moment.payload.type, told)
                ),
            )
            at = from_micros(moment.time)
            event = Event(identity, at, place.source, place.namespace, moment.payload, WAY)
            found.append(self.calls.take(event))
        return found
