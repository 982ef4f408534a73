"""Who holds the lock of a pipeline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.wrapper.lock import Lock, identity, lock_file, take


def test_one_of_two_gets_it_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "p.lock"
    first = take(path)
    assert first is not None
    assert take(path) is None
    first.release()
    second = take(path)
    assert second is not None
    second.release()


def test_a_command_that_still_runs_holds_it_though_its_wrapper_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "p.lock"
    first = take(path)
    assert first is not None
    first.names(os.getpid())
    os.close(first.descriptor)  # as the kernel does when a process is killed
    assert take(path) is None


def test_a_full_disk_leaves_it_with_the_wrapper(caplog: pytest.LogCaptureFixture) -> None:
    lock = Lock(os.open("/dev/full", os.O_RDWR))
    lock.names(os.getpid())
    assert "--lock: [Errno 28] No space left on device" in caplog.text
    lock.release()


@pytest.mark.parametrize("left", ["1", "rubbish", "{pid} 1 boot pid:[1]", "999999999 1 boot pid:[1]"])
def test_what_a_dead_command_left_holds_nothing(tmp_path: Path, left: str) -> None:
    path = tmp_path / "p.lock"
    path.write_text(left.format(pid=os.getpid()))
    lock = take(path)
    assert lock is not None
    assert path.read_text() == ""
    lock.release()


def test_a_shorter_name_takes_the_place_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "p.lock"
    lock = take(path)
    assert lock is not None
    os.pwrite(lock.descriptor, b"9" * 500, 0)
    lock.names(os.getpid())
    assert path.read_text() == identity(os.getpid())
    lock.release()


def test_a_process_of_the_same_number_is_another_one(tmp_path: Path) -> None:
    proc = tmp_path
    (proc / "7").mkdir()
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "self/ns").mkdir(parents=True)
    (proc / "self/ns/pid").symlink_to("pid:[4026531836]")
    (proc / "sys/kernel/random/boot_id").write_text("one\n")
    told = set()
    for boot, start in (("one", 100), ("one", 200), ("two", 100)):
        (proc / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
        (proc / "7/stat").write_text(f"7 (a ) name) S {'0 ' * 18}{start} 0\n")
        told.add(identity(7, proc))
    assert len(told) == 3
    (proc / "7/stat").write_text(f"7 (a) Z {'0 ' * 18}100 0\n")
    assert identity(7, proc) is None


def test_long_names_have_files_of_their_own(tmp_path: Path) -> None:
    first, second = (lock_file(tmp_path, "default", "ü" * 255 + end) for end in "ab")
    assert first != second
    assert len(first.name) < 256
