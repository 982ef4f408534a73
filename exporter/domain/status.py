"""Statuses, and how the words of other systems become one of them."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache


class Status(StrEnum):
    """Where an execution, a stage or an attempt stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    LOST = "lost"


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING, Status.PAUSED})
FINAL = frozenset(Status) - ACTIVE
FAILING = frozenset({Status.FAILED, Status.TIMED_OUT, Status.LOST})
"""Final statuses after which somebody has to look."""

_WORDS = {
    Status.SKIPPED: "skipped upstream_failed removed no-op noop skip excluded",
    Status.QUEUED: "queued pending scheduled enqueued created submitted waiting not_started",
    Status.RUNNING: (
        "running in_progress deferred up_for_retry up_for_reschedule retrying initializing started starting "
        "restarting active resumed start"
    ),
    Status.PAUSED: "paused suspended on_hold",
    Status.SUCCEEDED: "succeeded success completed complete ok pass passed validated finished done warn",
    Status.FAILED: "failed failure fail error errored crashed boom rolled_back",
    Status.CANCELLED: (
        "cancelled canceled cancellation cancelling canceling aborted abort killed stopped revoked terminated"
    ),
    Status.TIMED_OUT: "timed_out timeout timedout",
    Status.LOST: "lost zombie",
}
_STATUS_OF_WORD = {word: status for status, words in _WORDS.items() for word in words.split()}


@lru_cache(maxsize=1024)
def status_of_word(word: str) -> Status | None:
    """Status that a source's own word stands for; None for a word that no system known to us uses."""
    return _STATUS_OF_WORD.get(word.strip().lower().replace(" ", "_"))
