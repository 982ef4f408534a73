"""What the SQL of a dashboard's panels answers over a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.json import plain
from tests.support.boards import chosen, panels, sql
from tests.support.stored import NOON

Row = dict[str, Any]


def seconds_ago(**ago: float) -> float:
    """A time before now, as seconds after the noon from which a store's events count."""
    return (datetime.now(UTC) - timedelta(**ago) - NOON).total_seconds()


class Shown:
    """A dashboard over a database with the views."""

    def __init__(self, engine: Engine, board: Dashboard) -> None:
        self._engine = engine
        self._board = plain(board)

    def ask(self, query: str) -> list[Row]:
        """Rows that the query answers."""
        with self._engine.connect() as connection:
            connection.execute(text("SET search_path = pipelines"))
            return [dict(row) for row in connection.exec_driver_sql(query.replace("%", "%%")).mappings()]

    def panel(self, title: str, **values: str) -> list[Row]:
        """Rows of the panel's SQL, with these values of variables, all else as the dashboard opens."""
        values = self.values(**values)
        (panel,) = [panel for panel in panels(self._board) if panel["title"] == title]
        (query,) = [target["rawSql"] for target in panel["targets"] if "rawSql" in target]
        return self.ask(sql(query, values))

    def values(self, **values: str) -> dict[str, str]:
        """Values of all variables, `|` between several."""
        return chosen(self._board, values, lambda query: [tuple(row.values()) for row in self.ask(query)])
