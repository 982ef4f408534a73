"""What processes that joined a run say of it, for the one that ends it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from exporter.client.context import Place
from exporter.client.settings import ClientSettings
from exporter.client.verdicts import KEPT_SECONDS, is_told, say, taken, worst

PLACE = Place("p", "default", "1")
ERROR = {"type": "ValueError", "message": "boom"}


@pytest.fixture
def settings(tmp_path: Path) -> ClientSettings:
    return ClientSettings(spool=tmp_path)


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        ([], None),
        (["succeeded"], None),
        (["skipped"], "skipped"),
        (["skipped", "succeeded"], None),
        (["skipped", "cancelled"], "cancelled"),
        (["cancelled", "timed_out", "failed", "succeeded"], "failed"),
    ],
)
def test_the_worst_holds_and_skips_only_if_all_were(
    settings: ClientSettings, said: list[str], ending: str | None
) -> None:
    for status in said:
        say(settings, PLACE, status, ERROR)
    found = worst(taken(settings, PLACE))
    assert (None if found is None else found.status) == ending


def test_what_was_said_is_taken_once(settings: ClientSettings) -> None:
    say(settings, PLACE, "failed")
    say(settings, Place("p", "default", "2"), "failed")
    assert len(taken(settings, PLACE)) == 1
    assert taken(settings, PLACE) == []


def test_half_a_line_costs_no_other(settings: ClientSettings, tmp_path: Path) -> None:
    say(settings, PLACE, "failed", ERROR)
    (file,) = tmp_path.glob("verdicts/*")
    with file.open("ab") as stream:
        stream.write(b'[[[], null], 1, "fai')
    (found,) = taken(settings, PLACE)
    assert found.error == ERROR


def test_what_nobody_took_is_removed_in_time(settings: ClientSettings, tmp_path: Path) -> None:
    say(settings, PLACE, "failed", ERROR)
    (old,) = tmp_path.glob("verdicts/*")
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    say(settings, Place("p", "default", "2"), "failed", ERROR)
    assert not old.exists()


def test_a_folder_that_cannot_be_is_said_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    (tmp_path / "file").touch()
    settings = ClientSettings(spool=tmp_path / "file")
    say(settings, PLACE, "failed", ERROR)
    assert "is not told how this part of it ended" in caplog.text
    assert taken(settings, PLACE) == []


def test_an_exit_code_is_passed_on_at_once_or_is_another_ones(settings: ClientSettings) -> None:
    say(settings, PLACE, "failed", ERROR, stage=True, code=1)
    verdicts = taken(settings, PLACE)
    now = time.time()
    assert is_told({"type": "ExitCode"}, 1, verdicts, now=now)
    assert not is_told({"type": "ExitCode"}, 2, verdicts, now=now)
    assert not is_told({"type": "ExitCode"}, 1, verdicts, now=now + 60)
