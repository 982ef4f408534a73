"""Folders and files that the exporter may not read: no data must never look like good news."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.sources.batch import Away
from exporter.sources.listing import listed
from tests.support.sources import problems, reading, source, told

NOBODY = 65534
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/load",
    "type": "pipeline.execution.finished",
    "time": "2026-01-01T00:00:00Z",
    "data": {"pipeline": "load", "execution": "1", "status": "succeeded"},
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, read by somebody whom permissions bind."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "a.jsonl").write_text(json.dumps(EVENT) + "\n")
        (path / "below").mkdir()
        (path / "below" / "b.jsonl").write_text(json.dumps(EVENT | {"id": "2"}) + "\n")
        if os.geteuid() != 0:
            yield path
        else:
            os.seteuid(NOBODY)
            try:
                yield path
            finally:
                os.seteuid(0)
        for one in (path, path / "below"):
            one.chmod(0o755)


def forbid(path: Path, mode: int = 0) -> None:
    """Take all rights away, from root's own as well."""
    uid = os.geteuid()
    if uid == NOBODY:
        os.seteuid(0)
    path.chmod(mode)
    os.seteuid(uid)


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o711])
@pytest.mark.parametrize("preset", ["cloudevents", "junit"])
def test_a_folder_that_may_not_be_looked_into_cannot_be_read(folder: Path, preset: str, mode: int) -> None:
    forbid(folder, mode)
    with pytest.raises(Away, match=f"{folder}: Permission denied"):
        told(source(preset, folder))


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o711])
def test_a_folder_below_that_may_not_be_looked_into_is_named_and_the_rest_is_read(
    folder: Path, mode: int
) -> None:
    forbid(folder / "below", mode)
    assert [one.payload.type for one in told(source("cloudevents", folder))] == [EVENT["type"]]
    (found,) = problems(source("cloudevents", folder))
    assert found.startswith("below")
    assert found.endswith(": Permission denied")


def test_a_folder_within_one_that_may_not_be_entered_cannot_be_read(folder: Path) -> None:
    forbid(folder)
    with pytest.raises(Away, match="Permission denied"):
        told(source("cloudevents", folder / "below"))


def test_one_file_of_a_folder_that_may_not_be_listed_is_read(folder: Path) -> None:
    forbid(folder, 0o711)
    assert len(told(source("cloudevents", folder / "a.jsonl"))) == 1


def test_a_folder_that_is_closed_later_is_noticed(folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as own,
        reading(f"sqlite:///{own}/own.db", source("cloudevents", folder)) as read,
    ):
        read.round()
        assert read.metric("source_errors_total", source="ours", reason="row") == 0
        forbid(folder / "below")
        read.round()
        assert (read.metric("source_errors_total", source="ours", reason="row") or 0) > 0
        forbid(folder)
        read.round()
        assert read.metric("source_up", source="ours") == 0


def test_patterns_name_what_a_shell_would(tmp_path: Path) -> None:
    for name in ("a.json", "b.txt", "x/c.json", "x/y/d.json", "z/y/e.json", ".f.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path)
    expected = {
        "*.json": {"a.json", ".f.json"},
        "**/*.json": {"a.json", ".f.json", "x/c.json", "x/y/d.json", "z/y/e.json"},
        "*/*.json": {"x/c.json", "loop/a.json", "loop/.f.json"},
        "x/**/*.json": {"x/c.json", "x/y/d.json"},
        "*/y/[de].json": {"x/y/d.json", "z/y/e.json"},
        "x/c.json": {"x/c.json"},
        "none/*.json": set(),
        "none.json": set(),
    }
    assert {pattern: set(listed(tmp_path, pattern).files) for pattern in expected} == expected
