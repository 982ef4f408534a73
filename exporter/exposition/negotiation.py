"""Which format a scrape is answered in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TypeAlias

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

Encoder: TypeAlias = Callable[[Collector], bytes]


class Kept(Enum):
    """Formats that are kept ready. Their versions so far differ in name only."""

    TEXT = auto()
    OPENMETRICS = auto()

    @property
    def encoder(self) -> Encoder:
        """What writes it."""
        return openmetrics.generate_latest if self is Kept.OPENMETRICS else generate_latest


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what writes it, its name, and whether it is kept ready."""

    encoder: Encoder
    content_type: str
    kept: Kept | None


_AS_THEY_ARE = frozenset({openmetrics.UNDERSCORES, openmetrics.ALLOWUTF8})
"""Escapings that leave names like ours alone. The others are for names that older servers cannot read;
whoever asks for one nevertheless is given it by prometheus_client, from scratch each time."""


def negotiated(accept: str) -> Format:
    """The format for an Accept header: what prometheus_client answers."""
    try:
        encoder, content_type = choose_encoder(accept)
    except TypeError:  # a version that is no number
        encoder, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
    function, options = (encoder.func, encoder.keywords) if isinstance(encoder, partial) else (encoder, {})
    kept = Kept.OPENMETRICS if function is openmetrics.generate_latest else Kept.TEXT
    plain = options.get("escaping", openmetrics.UNDERSCORES) in _AS_THEY_ARE
    return Format(encoder, content_type, kept if plain else None)


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip, other than to rule it out."""
    for coding in accept_encoding.lower().split(","):
        name, *parameters = (text.strip() for text in coding.split(";"))
        if name == "gzip":
            return not any(
                text.startswith("q=") and not text.removeprefix("q=").strip("0.") for text in parameters
            )
    return False
