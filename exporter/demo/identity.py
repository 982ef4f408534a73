"""Run ids as real schedulers write them.

Each depends on when the demo began, so that a restart repeats none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from exporter.demo.execution import Execution

Identifier = Callable[["Execution"], str]

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes random names of: nothing that could spell a word."""


def universal(execution: Execution) -> str:
    """A UUID of version 4."""
    return str(UUID(_digest(execution)[:32], version=4))


def airflow(execution: Execution) -> str:
    """`scheduled__2026-11-22T05:00:00+00:00`: trigger and logical date."""
    kind = "scheduled" if execution.trigger == "schedule" else "manual"
    return f"{kind}__{execution.due.isoformat()}"


def numbered(execution: Execution) -> str:
    """`run-k7x2p-1042`: a number within this run of the demo."""
    letters = _letters(execution.simulation.digest(*execution.pipeline.key))
    return f"run-{letters}-{1000 + execution.serial}"


def cron_job(execution: Execution) -> str:
    """`backup-postgres-29674803-h5x2k`: as Kubernetes names a CronJob's jobs, by the minute they were due."""
    minutes = int(execution.due.timestamp()) // 60
    return f"{execution.pipeline.name}-{minutes}-{_letters(_digest(execution))}"


def argo(execution: Execution) -> str:
    """`document-processing-h5x2k9cd`: a generated name of Argo Workflows."""
    return f"{execution.pipeline.name}-{_letters(_digest(execution), 8)}"


def observation(execution: Execution) -> str:
    """`2026-11-22T05:08:53.120_hb04`: the first integration of an observation, and the node that took it."""
    taken = execution.due.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{taken}_hb{1 + int(_digest(execution)[:4], 16) % 16:02d}"


def _digest(execution: Execution) -> str:
    return execution.simulation.digest(*execution.pipeline.key, execution.serial)


def _letters(digest: str, length: int = 5) -> str:
    number = int(digest, 16)
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return "".join(letters)
