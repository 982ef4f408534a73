"""What is done to calls of language models on their way in: freed of what must not be kept, and priced."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from exporter.domain.events import Event, LlmCalled
from exporter.ingest.llm.content import Guard
from exporter.ingest.llm.prices import PriceList


class Calls:
    """Calls of language models, whatever way they came in. `prices` gives those that hold."""

    def __init__(self, prices: Callable[[], PriceList] | None = None, guard: Guard | None = None) -> None:
        self._prices = prices
        self._guard = Guard() if guard is None else guard

    def taken(self, events: Iterable[Event]) -> list[Event]:
        """The same events, with calls as they may be kept, and with the costs of those that tell none."""
        return [self.take(event) for event in events]

    def take(self, event: Event) -> Event:
        """The same event; a call as it may be kept, with its cost if it tells none."""
        call = event.payload
        if not isinstance(call, LlmCalled):
            return event
        call = self._guard.call(call)
        if self._prices is not None and call.cost_usd is None:
            call = replace(call, cost_usd=self._prices().cost_usd(call, event.time.date()))
        return replace(event, payload=call)
