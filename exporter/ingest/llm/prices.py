"""Prices of language models, from a file that whoever runs the exporter keeps: `--llm-prices FILE`."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated

from msgspec import Meta, Struct, field

from exporter.domain.events import LlmCalled
from exporter.ingest import yaml_files

PER = 1_000_000
"""Tokens that a price is for."""

Price = Annotated[float, Meta(ge=0, le=1e6)]
Pattern = Annotated[str, Meta(min_length=1, max_length=256)]


class ModelPrice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices of the models that match. `from` is the first day that they hold on, `until` the first that they do not.

    `cached`: input tokens from the provider's cache, else as `input`. `reasoning`: output tokens that the model thought
    with, else as `output`.
    """

    model: Pattern
    provider: Pattern = "*"
    input: Price
    output: Price = 0.0
    cached: Price | None = None
    reasoning: Price | None = None
    from_: date | None = field(name="from", default=None)
    until: date | None = None


class PriceList(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A price file. Amounts are in `currency` for a million tokens; one unit of it is `usd` US dollars."""

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    usd: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    models: Annotated[list[ModelPrice], Meta(min_length=1, max_length=10_000)]

    def price_of(self, call: LlmCalled, day: date) -> ModelPrice | None:
        """The first entry that fits a call on a day (UTC)."""
        models = [name.lower() for name in (call.response_model, call.request_model) if name]
        provider = call.provider.lower()
        for price in self.models:
            if (
                any(fnmatchcase(model, price.model.lower()) for model in models)
                and fnmatchcase(provider, price.provider.lower())
                and (price.from_ is None or price.from_ <= day)
                and (price.until is None or day < price.until)
            ):
                return price
        return None

    def cost_usd(self, call: LlmCalled, day: date) -> float | None:
        """What a call cost, in US dollars; None if no entry fits or its tokens are not told."""
        price = self.price_of(call, day)
        if price is None or (call.input_tokens is None and call.output_tokens is None):
            return None
        taken, given = call.input_tokens or 0, call.output_tokens or 0
        cached = min(call.cached_tokens or 0, taken)
        thought = min(call.reasoning_tokens or 0, given)
        amount = (
            (taken - cached) * price.input
            + cached * (price.input if price.cached is None else price.cached)
            + (given - thought) * price.output
            + thought * (price.output if price.reasoning is None else price.reasoning)
        )
        return amount / PER * (self.usd or 1.0)


def read(path: str) -> PriceList:
    """The price file. Raises yaml_files.BadFile."""
    prices = yaml_files.load(path, PriceList)
    if prices.currency != "USD" and prices.usd is None:
        raise yaml_files.at(path, "/currency", f"say how many US dollars one {prices.currency} is, as usd")
    if prices.currency == "USD" and prices.usd not in (None, 1):
        raise yaml_files.at(path, "/usd", "one US dollar is one US dollar")
    for number, price in enumerate(prices.models):
        if price.from_ is not None and price.until is not None and price.until <= price.from_:
            raise yaml_files.at(path, f"/models/{number}/until", "expected a day behind that of from")
    return prices
