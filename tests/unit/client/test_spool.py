"""Events that wait on disk: kept, bounded, adopted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.client import record
from exporter.client.segment import Segment
from exporter.client.shelf import spool_folder
from exporter.client.spool import MOST_DATA, OLDEST, SMALL, Spool

NOON = 1_767_268_800 * 10**9


def numbers(spool: Spool) -> list[tuple[str, int]]:
    """Type and number of all that waits, in order."""
    found = []
    while (segment := spool.waiting()) is not None:
        for end, told in segment.records(segment.acked):
            assert told is not None
            found.append((told.kind.type.removeprefix("pipeline."), told.number))
            segment.acked = end
    return found


def filled(spool: Spool, kind: record.Kind, number: int) -> None:
    for _ in range(number):
        spool.tell(kind, NOON, 0, f'{{"text":"{"x" * 1000}"}}')


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 4 << 20, now=lambda: NOON)


def test_what_is_told_is_read_in_order(spool: Spool) -> None:
    filled(spool, record.STAGE_STARTED, 3)
    filled(spool, record.STAGE_FINISHED, 1)
    assert numbers(spool) == [
        ("stage.started", 1),
        ("stage.started", 2),
        ("stage.started", 3),
        ("stage.finished", 4),
    ]
    assert spool.is_empty


def test_a_file_that_was_delivered_is_removed_at_the_end(spool: Spool, tmp_path: Path) -> None:
    filled(spool, record.LOG, 1)
    numbers(spool)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_is_no_longer_than_needed_and_adopted_from_where_it_was_delivered(
    spool: Spool, tmp_path: Path
) -> None:
    filled(spool, record.LOG, 3)
    segment = spool.waiting()
    assert segment is not None
    segment.acked = next(segment.records(segment.acked))[0]
    spool.close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 5000
    later = Spool(tmp_path, 4 << 20, now=lambda: NOON)
    later.adopt(look=True)
    adopted = later.waiting()
    assert adopted is not None
    assert adopted.source == segment.source
    assert numbers(later) == [("log.emitted", 2), ("log.emitted", 3)]


def test_the_file_of_a_living_process_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    filled(spool, record.LOG, 1)
    later = Spool(tmp_path, 4 << 20, now=lambda: NOON)
    later.adopt(look=True)
    assert later.is_empty


def test_what_a_server_may_have_forgotten_is_thrown_away(spool: Spool, tmp_path: Path) -> None:
    filled(spool, record.STAGE_FINISHED, 1)
    spool.close()
    later = Spool(tmp_path, 4 << 20, now=lambda: NOON + OLDEST + 1)
    later.adopt(look=True)
    assert later.is_empty
    assert list(tmp_path.iterdir()) == []


def test_a_full_spool_drops_progress_then_logs_then_starts_and_no_end(spool: Spool) -> None:
    for kind in (
        record.STAGE_PROGRESSED,
        record.RESOURCES,
        record.LOG,
        record.STAGE_STARTED,
        record.STAGE_FINISHED,
    ):
        filled(spool, kind, 2000)
    filled(spool, record.STAGE_FINISHED, 2000)
    spool.shrink()
    kinds = [kind for kind, _ in numbers(spool)]
    assert kinds.count("stage.finished") == 4000
    assert "stage.progressed" not in kinds
    assert "resources.sampled" not in kinds
    assert "log.emitted" not in kinds
    assert spool.dropped >= 6000


def test_a_spool_that_is_not_full_drops_nothing(spool: Spool) -> None:
    filled(spool, record.STAGE_PROGRESSED, 1000)
    spool.shrink()
    assert len(numbers(spool)) == 1000


def test_ends_stay_even_above_the_limit(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 20, now=lambda: NOON)
    filled(spool, record.EXECUTION_FINISHED, 5000)
    spool.shrink()
    assert len(numbers(spool)) == 5000


def test_without_a_folder_events_wait_in_memory(tmp_path: Path) -> None:
    spool = Spool(None, 1 << 20, now=lambda: NOON)
    filled(spool, record.STAGE_FINISHED, 3)
    assert len(numbers(spool)) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_had_is_said_and_events_wait_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    (tmp_path / "file").touch()
    assert spool_folder(tmp_path / "file", "http://one") is None
    assert "events wait in memory only" in caplog.text


def test_a_folder_that_others_can_write_to_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    folder = spool_folder(tmp_path, "http://one")
    assert folder is not None
    folder.chmod(0o777)
    assert spool_folder(tmp_path, "http://one") is None
    assert "can be written by others" in caplog.text


def test_each_address_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert spool_folder(tmp_path, "http://one") != spool_folder(tmp_path, "http://two")


def test_a_signal_handler_may_tell_while_its_thread_tells(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Segment.append
    interrupted: list[bool] = []

    def interrupt(segment: Segment, raw: bytes) -> bool:
        if not interrupted:
            interrupted.append(True)
            filled(spool, record.WARNING, 1)
        return append(segment, raw)

    filled(spool, record.LOG, 1)
    monkeypatch.setattr(Segment, "append", interrupt)
    filled(spool, record.LOG, 1)
    assert numbers(spool) == [("log.emitted", 1), ("log.emitted", 2), ("warning.raised", 3)]


def test_a_damaged_record_is_passed_over_and_the_next_one_read(spool: Spool) -> None:
    filled(spool, record.LOG, 1)
    spool.tell(record.LOG, NOON, 0, '{"half')
    filled(spool, record.LOG, 1)
    segment = spool.waiting()
    assert segment is not None
    assert [told and told.number for _, told in segment.records(segment.acked)] == [1, None, 3]


def test_a_large_event_gets_a_file_that_holds_it(spool: Spool) -> None:
    spool.tell(record.LLM, NOON, 0, f'{{"prompt":"{"x" * 900_000}"}}')
    spool.tell(record.LLM, NOON, 0, f'{{"prompt":"{"x" * 900_000}"}}')
    assert len(numbers(spool)) == 2


def test_a_forked_child_writes_to_a_file_of_its_own(spool: Spool, tmp_path: Path) -> None:
    filled(spool, record.LOG, 1)
    child = os.fork()
    if child == 0:
        spool.after_fork()
        filled(spool, record.WARNING, 1)
        os._exit(0 if spool.waiting() is not None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(tmp_path.iterdir())) == 2
    assert numbers(spool) == [("log.emitted", 1)]
    spool.adopt(look=True)
    assert numbers(spool) == [("warning.raised", 1)]


def test_an_event_has_the_same_identity_however_often_it_is_read(spool: Spool) -> None:
    spool.tell(record.STAGE_FINISHED, NOON + 1_234_567, NOON, '{"stage":"x"}')
    segment = spool.waiting()
    assert segment is not None
    first, again = (next(segment.records(segment.acked))[1] for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.cloudevent(segment.source) == again.cloudevent(segment.source)
    assert '"time":"2026-01-01T12:00:00.001234Z"' in first.cloudevent(segment.source)
    assert '"data":{"stage":"x","started_at":"2026-01-01T12:00:00.000000Z"}' in first.cloudevent(
        segment.source
    )


def left(folder: Path, number: int, kind: record.Kind = record.STAGE_FINISHED, events: int = 1) -> None:
    """Files of so many processes that are no more."""
    for _ in range(number):
        gone = Spool(folder, 64 << 20, now=lambda: NOON)
        filled(gone, kind, events)
        gone.close()


def test_of_thousands_of_files_few_are_open_at_once_and_all_are_read(spool: Spool, tmp_path: Path) -> None:
    left(tmp_path, 60)
    before = len(list(Path("/proc/self/fd").iterdir()))
    read = 0
    while spool.adopt(look=True):
        assert len(list(Path("/proc/self/fd").iterdir())) - before < 20
        assert not spool.is_empty
        read += len(numbers(spool))
    assert read == 60
    assert spool.is_empty
    assert list(tmp_path.iterdir()) == []


def test_while_nothing_is_delivered_no_further_files_are_opened(spool: Spool, tmp_path: Path) -> None:
    left(tmp_path, 30)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        spool.adopt(look=True)
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 20
    assert spool.has_left


def test_what_many_dead_processes_left_counts_for_the_limit(tmp_path: Path) -> None:
    left(tmp_path, 30, record.LOG, 100)  # 100 kB each
    left(tmp_path, 10, record.STAGE_FINISHED, 100)
    spool = Spool(tmp_path, 2 << 20, now=lambda: NOON)
    spool.adopt(look=True)
    spool.shrink()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 << 20
    kinds = []
    while not spool.is_empty:
        kinds += [kind for kind, _ in numbers(spool)]
        spool.adopt(look=True)
    assert kinds.count("stage.finished") == 1000
    assert 0 < kinds.count("log.emitted") < 3000


def test_ends_that_dead_processes_left_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(tmp_path, 20, record.STAGE_FINISHED, 100)
    spool = Spool(tmp_path, 1 << 20, now=lambda: NOON)
    spool.adopt(look=True)
    spool.shrink()
    adopted: list[Path] = []
    monkeypatch.setattr(Segment, "adopt", adopted.append)
    spool.shrink()
    assert adopted == []
    monkeypatch.undo()
    found = 0
    while not spool.is_empty:
        found += len(numbers(spool))
        spool.adopt(look=True)
    assert found == 2000


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = spool_folder(tmp_path, "http://one")
    assert folder is not None
    folder.rmdir()
    spool = Spool(folder, 1 << 20, now=lambda: NOON)
    filled(spool, record.LOG, 1)
    assert len(list(folder.iterdir())) == 1
    assert folder.stat().st_mode & 0o777 == 0o700


def test_on_a_disk_with_little_room_a_smaller_file_is_made(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocate = os.posix_fallocate

    def little(descriptor: int, offset: int, size: int) -> None:
        if size > SMALL:
            raise OSError(28, "No space left on device")
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", little)
    filled(spool, record.STAGE_FINISHED, 1000)
    assert len(list(tmp_path.iterdir())) >= 4
    assert len(numbers(spool)) == 1000


def test_without_disk_or_memory_events_are_lost_with_a_word_and_the_program_goes_on(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> Segment:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    monkeypatch.setattr(Segment, "create", none)
    monkeypatch.setattr(Segment, "in_memory", none)
    filled(spool, record.STAGE_FINISHED, 2)
    assert spool.is_empty
    assert "no memory for events" in caplog.text


def test_an_event_that_no_server_takes_is_dropped_with_a_word(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.tell(record.LOG, NOON, 0, f'{{"fields":"{"x" * MOST_DATA}"}}')
    assert spool.is_empty
    assert "a pipeline.log.emitted of 1000013 bytes is more than a server takes" in caplog.text


def test_whoever_waits_is_woken_when_the_spool_is_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 3 << 20, now=lambda: NOON)
    woken: list[int] = []
    spool.full = lambda: woken.append(1)
    filled(spool, record.LOG, 200)
    assert woken == []
    filled(spool, record.LOG, 5000)
    assert len(woken) >= 1


def test_files_that_nobody_writes_any_more_take_no_address_space(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 64 << 20, now=lambda: NOON)
    filled(spool, record.STAGE_FINISHED, 20_000)  # 20 MB
    maps = Path("/proc/self/maps").read_text().count(str(tmp_path))
    assert maps <= 1
    assert len(numbers(spool)) == 20_000
    spool.close()


def test_what_cannot_be_read_now_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, 64 << 20, now=lambda: NOON)
    filled(spool, record.STAGE_FINISHED, 1000)  # the first file rests, as there is a second one

    def none(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("exporter.client.segment.mmap.mmap", none)
    with pytest.raises(OSError, match="allocate"):
        numbers(spool)
    monkeypatch.undo()
    assert len(numbers(spool)) == 1000
