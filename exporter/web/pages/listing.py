"""The page that lists executions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Connection

from exporter.store.queries import executions, pipelines
from exporter.web.answers.execution import summaries
from exporter.web.pages.run import Run, run
from exporter.web.parameters import ExecutionFilters, order_of, position
from exporter.web.reading import Reading

MOST_NAMES = 500
"""Names of pipelines that the filter suggests."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of executions. `following`: link to the next one."""

    now: datetime
    asked: ExecutionFilters
    runs: list[Run]
    following: str | None
    names: list[str]
    environments: list[str]

    @property
    def is_filtered(self) -> bool:
        """Whether anything but all executions was asked for."""
        asked = self.asked
        return bool(asked.names or asked.place or asked.status or asked.q or asked.cursor or asked.kind)


def listing(connection: Connection, reading: Reading, asked: ExecutionFilters) -> Listing:
    """The executions asked for. Raises Problem."""
    order = order_of(asked.sort)
    after = position(asked.cursor, order)
    found, following = executions.find(connection, asked.wanted, order, after, asked.limit)
    now = reading.now()
    shown = summaries(connection, reading, found)
    known = pipelines.names(connection)
    return Listing(
        now=now,
        asked=asked,
        runs=[run(execution, summary, None, now) for execution, summary in zip(found, shown, strict=True)],
        following=None if following is None else _link(asked, following.cursor(order)),
        names=sorted({name for _, name in known})[:MOST_NAMES],
        environments=sorted({environment for environment, _ in known}),
    )


def _link(asked: ExecutionFilters, cursor: str) -> str:
    query = asked.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"since", "until"})
    limits = [("from", asked.since), ("to", asked.until)]
    told = {name: value / 1_000_000 for name, value in limits if value is not None}
    return "?" + urlencode({**query, **told, "cursor": cursor}, doseq=True)
