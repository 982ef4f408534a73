"""What is done again and again outlives what goes wrong in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from exporter.store.rounds import COMPLAIN_EVERY, Rounds


class Acts:
    """Tasks that go wrong as told, and what was done and said."""

    def __init__(self, **wrong: Exception) -> None:
        self.wrong = wrong
        self.done: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.now = 0.0
        self.rounds = Rounds(
            "test",
            {task: self._act(task) for task in ("first", "second", "third")},
            0.001,
            lambda task, reason: self.failures.append((task, reason)),
            now=lambda: self.now,
        )

    def _act(self, task: str) -> Callable[[], None]:
        def act() -> None:
            if task in self.wrong:
                raise self.wrong[task]
            self.done.append(task)

        return act


AWAY = OperationalError("SELECT 1", None, Exception("database is locked"))


def test_a_defect_costs_the_other_tasks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    acts = Acts(second=ValueError("no such row"))
    acts.rounds.once()
    assert acts.done == ["first", "third"]
    assert acts.failures == [("second", "defect")]
    (line,) = caplog.records
    assert (line.levelno, line.message, vars(line)["task"]) == (
        logging.ERROR,
        "upkeep met a defect",
        "second",
    )
    assert line.exc_info is not None


def test_a_database_that_is_away_ends_the_round(caplog: pytest.LogCaptureFixture) -> None:
    acts = Acts(second=AWAY)
    acts.rounds.once()
    assert acts.done == ["first"]
    assert acts.failures == [("second", "database")]
    (line,) = caplog.records
    assert (line.message, vars(line)["reason"]) == ("upkeep failed", "database is locked")


def test_what_fails_again_and_again_is_counted_each_time_and_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    acts = Acts(first=ValueError("again"))
    for _ in range(5):
        acts.rounds.once()
    assert (len(acts.failures), len(caplog.records)) == (5, 1)
    acts.now = COMPLAIN_EVERY
    acts.rounds.once()
    assert (len(acts.failures), len(caplog.records)) == (6, 2)


def test_a_round_follows_one_that_met_a_defect_until_it_is_stopped() -> None:
    enough = threading.Semaphore(0)

    def act() -> None:
        raise ValueError("again")

    rounds = Rounds("test", {"first": act}, 0.001, lambda *_: enough.release())
    rounds.start()
    assert all(enough.acquire(timeout=10) for _ in range(3))
    rounds.stop()
    while enough.acquire(blocking=False):
        pass
    assert not enough.acquire(timeout=0.05)
