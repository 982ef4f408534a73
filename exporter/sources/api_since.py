"""Lists of an API that can be asked for what has changed: since when, and how far a long one has been read.

APIs that filter by a time of change seldom tell that time with an item. So it is the server's own clock, when a
reading of the list began, that the next reading goes back to.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.sources.cursor import Position
from exporter.sources.mapping import Read

OVERLAP = timedelta(seconds=60)
"""What was stamped before, and committed after, it could have been read: so long is looked back."""

KEPT_EVERY = 10
"""Pages after which the place in a long list is kept."""


class Since:
    """From when on changes are asked for, and from which page on."""

    def __init__(self, read: Read, position: Position, read_at: datetime) -> None:
        assert read.since is not None
        self._parameter = read.since.parameter
        self._position = position
        self._began: datetime | None = None
        self.page = 0
        self.is_whole = False
        self.since = read_at - timedelta(seconds=read.since.begin_seconds)
        if position.after is not None:
            self.since, self._began, self.page = position.after

    @property
    def parameters(self) -> dict[str, str]:
        """What is asked for beside the page."""
        return {
            self._parameter: self.since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        }

    def answered(self, clock: datetime) -> None:
        """A page was answered, at that time of the server's clock."""
        if self._began is None:
            self._began = clock

    def durable(self) -> None:
        """What a page told is durable. Raises Overtaken."""
        self.page += 1
        if self.is_whole:
            assert self._began is not None
            self._position.after = (self._began - OVERLAP, None, 0)
            self._position.save()
        elif self.page % KEPT_EVERY == 0:
            self._position.after = (self.since, self._began, self.page)
            self._position.save()
