"""Identities that every replica computes alike: executions, events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

_SEPARATOR = "\x1f"


@lru_cache(maxsize=8192)
def execution_id(namespace: str, environment: str, pipeline: str, run: str) -> str:
    """Id of an execution: 32 lower-case hex digits from the source's namespace and its own run id.

    `namespace` keeps apart systems that number their runs alike; it is empty for CloudEvents, whose
    producers name the execution themselves.
    """
    return _digest(namespace, environment, pipeline, run).hex()


def trace_span_id(trace: str, path: Sequence[str] = (), index: str | None = None) -> str:
    """Id under which a place in an execution is the parent of spans in the trace that has the execution's id."""
    parts = (trace, *path) if index is None else (trace, *path, "", index)
    return blake2b(_SEPARATOR.join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def event_identity(source: str, event_id: str) -> bytes:
    """Identity of an event, 16 bytes, from the CloudEvents `source` and `id`."""
    return _digest(source, event_id)


def _digest(*parts: str) -> bytes:
    joined = _SEPARATOR.join(parts)
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()
