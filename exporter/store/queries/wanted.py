"""Which executions are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from exporter.domain.status import Status
from exporter.store.schema import pipelines


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of executions, all of which must hold; an empty one holds always.

    `since`, `until`: start in microseconds, the first included, the second not; an execution that has not started
    goes by when it was queued or first heard of. `words`: each occurs in the pipeline's name, the external id, a
    label or the error, whatever its case.
    """

    pipelines: tuple[str, ...] = ()
    environment: str | None = None
    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    source: str | None = None
    external_id: str | None = None
    since: int | None = None
    until: int | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """Filters as the rows know them: `equal` has the values that a column may take, by its name.

    `shortest`, `longest`: duration in microseconds, both included.
    """

    equal: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    words: tuple[str, ...] = ()
    shortest: int | None = None
    longest: int | None = None

    @property
    def is_ranged(self) -> bool:
        """Whether the start is limited."""
        return self.since is not None or self.until is not None

    @property
    def is_timed(self) -> bool:
        """Whether the duration is limited; one that has not ended has none."""
        return self.shortest is not None or self.longest is not None


def condition(connection: Connection, wanted: Wanted) -> Condition | None:
    """The condition on rows; None where no execution can meet it."""
    equal: dict[str, tuple[str | int, ...]] = {}
    if wanted.pipelines:
        ids = pipeline_ids(connection, wanted.pipelines, wanted.environment)
        if not ids:
            return None
        equal["pipeline_id"] = ids
    elif wanted.environment is not None:
        equal["environment"] = (wanted.environment,)
    if wanted.statuses and set(wanted.statuses) != set(Status):
        equal["status"] = tuple(dict.fromkeys(status.value for status in wanted.statuses))
    if wanted.kinds:
        equal["kind"] = tuple(dict.fromkeys(wanted.kinds))
    if wanted.source is not None:
        equal["source"] = (wanted.source,)
    if wanted.external_id is not None:
        equal["external_id"] = (wanted.external_id,)
    words = tuple(dict.fromkeys(word.lower() for word in wanted.words))
    return Condition(equal, wanted.since, wanted.until, words)


def pipeline_ids(connection: Connection, names: tuple[str, ...], environment: str | None) -> tuple[int, ...]:
    """Ids of the pipelines of these names: one in each environment where there is one."""
    query = select(pipelines.c.id).where(pipelines.c.name.in_(names))
    if environment is not None:
        query = query.where(pipelines.c.environment == environment)
    return tuple(connection.scalars(query.order_by(pipelines.c.id)))
