"""What every route that reads is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import Engine

MARGIN_MS = 5000
"""How much wider than the execution a link's time range is at either end, as in the SQL view `executions`."""
EXECUTION_DASHBOARD = "/d/pipelines-execution/execution"
"""Path in Grafana of the dashboard of one execution."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The database, the time, and where things are that answers link to.

    `public_url`: what people call this server, where it stands behind another; without it links are relative.
    """

    engine: Engine
    now: Callable[[], datetime]
    grafana_url: str | None = None
    public_url: str | None = None

    def api_link(self, execution_id: str) -> str:
        """Where the execution is found as JSON."""
        return f"{(self.public_url or '').rstrip('/')}/api/pipeline/executions/{execution_id}"

    def grafana_link(self, execution_id: str, since: int, until: int | None) -> str | None:
        """Where the execution is found in Grafana, from one instant to another, in microseconds; None: to now."""
        if self.grafana_url is None:
            return None
        begin, end = since // 1000 - MARGIN_MS, "now" if until is None else until // 1000 + MARGIN_MS
        query = f"var-execution_id={quote(execution_id)}&from={begin}&to={end}"
        return f"{self.grafana_url.rstrip('/')}{EXECUTION_DASHBOARD}?{query}"
