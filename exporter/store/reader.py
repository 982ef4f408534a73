"""The role that panels read PostgreSQL with: what it may see, and what it may not keep others from.

Whoever may look at a panel may have Grafana send any SQL as this role, and so may lift its own time limits. Rights keep
it from reading and writing what it should not; this keeps it from staying. See `docs/sql.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, ProgrammingError

from exporter.store.rounds import Rounds

ROLE = "grafana_reader"

MOST_SECONDS = 10.0
"""How long a query or transaction of the role may last. The role's own `statement_timeout` is shorter."""

MOST_IDLE_SECONDS = 90.0
"""How long a session of the role may do nothing: longer than a connection of Grafana's pool lives."""

INTERVAL = 2.0
"""Seconds between two looks."""

Settings = dict[tuple[str | None, str], str]
"""Settings that a role's sessions begin with, by database (None: all) and name."""

log = logging.getLogger(__name__)


class _Comment(Struct, frozen=True):
    """What `postgres/reader.sql` leaves as the role's comment."""

    settings: list[str]


_UNSEEN = text(
    """
    SELECT quote_ident(c.relname) FROM pg_class c
    WHERE c.relnamespace = 'pipelines'::regnamespace AND c.relkind = 'v'
        AND NOT has_table_privilege(:role, c.oid, 'SELECT')
    ORDER BY 1
    """
)
_MEMBER = text("SELECT pg_has_role(r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = :role")

# Ended, not cancelled: a block of PL/pgSQL may catch a cancellation, and what the session has set would live on for
# whoever is given its connection next.
_END = text(
    """
    WITH seen AS (
        SELECT a.pid, a.state, a.wait_event, a.backend_xid, left(a.query, 200) AS query,
            clock_timestamp() - least(a.xact_start, a.query_start) AS age,
            clock_timestamp() - a.state_change AS unchanged
        FROM pg_stat_activity a WHERE a.usename = :role AND a.backend_type = 'client backend'
    ), judged AS MATERIALIZED (
        SELECT pid, query, age, CASE
            -- Whoever only reads is given no number of a transaction.
            WHEN backend_xid IS NOT NULL THEN 'it writes'
            WHEN state <> 'idle' AND age > make_interval(secs => :seconds) THEN 'it lasts too long'
            -- It listens, and keeps what others notify on the disk. Answers of queries are sent before it is idle.
            WHEN state = 'idle' AND wait_event = 'ClientWrite' AND unchanged > make_interval(secs => :unread)
                THEN 'it does not read what it is sent'
            WHEN state = 'idle' AND unchanged > make_interval(secs => :idle) THEN 'it is idle'
            -- It has no use for these, and migrations wait for one of them.
            WHEN EXISTS (SELECT FROM pg_locks l WHERE l.pid = seen.pid AND l.locktype = 'advisory')
                THEN 'it holds an advisory lock'
        END AS reason
        FROM seen
    ), late AS MATERIALIZED (
        SELECT * FROM judged WHERE reason IS NOT NULL
    )
    SELECT query, extract(epoch FROM age)::float8 AS seconds, reason FROM late WHERE pg_terminate_backend(pid)
    """
)
# Notifications that nobody waits for any more stay on the disk until the next one, or until somebody asks.
_DRAIN = text("SELECT pg_notification_queue_usage()")
_TOLD = text("SELECT shobj_description(r.oid, 'pg_authid') FROM pg_roles r WHERE r.rolname = :role")
_SETTINGS = text(
    """
    -- Values may be as long as the role likes; those that are wanted are short.
    SELECT d.datname, left(c.setting, 10000) AS setting
    FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c(setting)
    WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = :role)
    """
)


def grant_views(connection: Connection) -> None:
    """Let the role read the views, where there is a role and it may not yet. Callers take turns."""
    if connection.dialect.name != "postgresql" or connection.scalar(_MEMBER, {"role": ROLE}) is None:
        return
    unseen = list(connection.scalars(_UNSEEN, {"role": ROLE}))
    if unseen:
        connection.execute(text(f"GRANT USAGE ON SCHEMA pipelines TO {ROLE}"))
        connection.execute(text(f"GRANT SELECT ON pipelines.{', pipelines.'.join(unseen)} TO {ROLE}"))


class ReaderWatch:
    """Ends what the role leaves running. `ended` is told of each, `failed` of what could not be looked after."""

    def __init__(
        self,
        engine: Engine,
        ended: Callable[[], None],
        failed: Callable[[str, str], None],
        *,
        most_seconds: float = MOST_SECONDS,
        most_idle_seconds: float = MOST_IDLE_SECONDS,
    ) -> None:
        self.engine = engine
        self._ended = ended
        self._bounds = {"seconds": most_seconds, "idle": most_idle_seconds, "unread": INTERVAL}
        self._stuck: set[str] = set()
        self._warned = False
        self.rounds = Rounds("reader watch", {"reader": self.look}, INTERVAL, failed)

    def start(self) -> None:
        """Begin to look, on PostgreSQL."""
        if self.engine.dialect.name == "postgresql":
            self.rounds.start()

    def stop(self) -> None:
        """End, after the look under way."""
        self.rounds.stop()

    def look(self) -> None:
        """One look: end what lasts too long, and undo what the role changed of itself."""
        with self.engine.begin() as connection:
            member = connection.scalar(_MEMBER, {"role": ROLE})
            if not member:
                self._warn(exists=member is not None)
                return
            for query, seconds, reason in connection.execute(_END, {"role": ROLE, **self._bounds}):
                self._ended()
                log.warning(
                    "query of the reader ended",
                    extra={"query": query, "duration_seconds": round(seconds, 1), "reason": reason},
                )
            connection.execute(_DRAIN)
        with self.engine.begin() as connection:
            self._restore(connection)

    def _warn(self, *, exists: bool) -> None:
        if exists and not self._warned:
            self._warned = True
            log.warning(
                "queries of the reader cannot be ended",
                extra={"reason": f"this needs GRANT {ROLE} TO the exporter's role"},
            )

    def _restore(self, connection: Connection) -> None:
        """Put the role's settings back as its comment has them: every role may change its own."""
        wanted = _wanted(connection)
        if wanted is None:
            return
        found = _settings(connection)
        changed = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        stuck: set[str] = set()
        if changed:
            _load_plpgsql(connection)
            connection.execute(text(f"SET LOCAL ROLE {ROLE}"))
        for database, name in changed:
            if not _put(connection, database, name, wanted.get((database, name))):
                stuck.add(name)
        self._tell({name for _, name in changed} - stuck, stuck)

    def _tell(self, restored: set[str], stuck: set[str]) -> None:
        if restored:
            log.warning("settings of the reader put back", extra={"settings": sorted(restored)})
        if stuck - self._stuck:
            log.warning(
                "settings of the reader cannot be put back",
                extra={"settings": sorted(stuck), "reason": "a superuser can, by postgres/reader.sql"},
            )
        self._stuck = stuck


def _wanted(connection: Connection) -> Settings | None:
    """What `postgres/reader.sql` set; None for a role that was made otherwise."""
    try:
        told = msgspec.json.decode(connection.scalar(_TOLD, {"role": ROLE}) or "", type=_Comment)
    except msgspec.DecodeError:
        return None
    return dict(_split(None, told.settings))


def _settings(connection: Connection) -> Settings:
    rows = connection.execute(_SETTINGS, {"role": ROLE})
    return dict(entry for row in rows for entry in _split(row.datname, [row.setting]))


def _split(database: str | None, settings: Iterable[str]) -> Iterator[tuple[tuple[str | None, str], str]]:
    for name, _, value in (setting.partition("=") for setting in settings):
        yield (database, name), value


def _load_plpgsql(connection: Connection) -> None:
    """A setting of an extension is reset only where that is loaded, which in the role's sessions a view does."""
    # Without the right to it, a setting that then cannot be reset is told by its name.
    with suppress(ProgrammingError), connection.begin_nested():
        connection.exec_driver_sql("DO LANGUAGE plpgsql 'BEGIN END'")


def _put(connection: Connection, database: str | None, name: str, value: str | None) -> bool:
    """Set or reset one setting; whether that is allowed. What is not keeps none of the others."""
    try:
        with connection.begin_nested():
            _set(connection, database, name, value)
    except (ProgrammingError, DataError):
        return False
    return True


def _set(connection: Connection, database: str | None, name: str, value: str | None) -> None:
    """Set or reset what sessions of the role begin with."""
    quoted = connection.dialect.identifier_preparer.quote_identifier
    where = f"IN DATABASE {quoted(database)}" if database else ""
    if value is None:
        how = f"RESET {_parts(quoted, name)}"
    else:
        # By way of the session's own, as a list such as search_path cannot be written as one text.
        connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
        how = f"SET {_parts(quoted, name)} FROM CURRENT"
    connection.exec_driver_sql(f"ALTER ROLE {ROLE} {where} {how}".replace("%", "%%"))


def _parts(quoted: Callable[[str], str], name: str) -> str:
    """A setting's name, which an extension's has two parts of."""
    return ".".join(map(quoted, name.split(".")))
