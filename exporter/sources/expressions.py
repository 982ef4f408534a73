"""What an expression of a mapping is made of."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.sources.mapping import Expression
from exporter.sources.paths import placeholders


def paths_in(value: Expression) -> Iterator[tuple[str, str]]:
    """Paths that an expression begins at its own record, and the pointers to them."""
    for name in ("path", "latest", "earliest", "nth"):
        path = getattr(value, name)
        if path is not None:
            yield f"/{name}", path
    yield from (("/format", path) for path in placeholders(value.format or ""))
    yield from ((f"/newest/{word}", path) for word, path in (value.newest or {}).items())
    yield from ((f"/has/{position}", path) for position, path in enumerate(value.has or ()))
