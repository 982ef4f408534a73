"""Mapping files: what is wrong with them is told with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.sources import mapping_file
from exporter.sources.mapping_file import BadMapping

GOOD = """system: batches
reads_from: database
reads:
  - name: runs
    table: runs
    key: [id]
    emits:
      - execution:
          pipeline: name
          execution: id
          status: state
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_one_is_read() -> None:
    assert mapping_file.parse(GOOD, "m.yml").mapping.reads[0].key == ["id"]


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (changed("table: runs", "tabel: runs"), 5, "reads.0.tabel"),
        (changed("status: state", "state: state"), 11, "reads.0.emits.0.execution.state"),
        (changed("          status: state\n", ""), 8, "reads.0.emits.0.execution"),
        (changed("key: [id]", "key: id"), 6, "reads.0.key"),
        (changed("    key: [id]\n", ""), 4, "reads.0.key"),
        (changed("reads_from: database", "reads_from: moon"), 2, "reads_from"),
        (changed("table: runs", "query: DELETE FROM runs"), 5, "reads.0.query"),
        (changed("table: runs", "query: SELECT 1;"), 5, "reads.0.query"),
        (changed("table: runs", "files: '*.json'"), 4, "reads.0"),
        (changed("status: state", "status: 5"), 11, "reads.0.emits.0.execution.status"),
        (changed("status: state", "status: a..b"), 11, "reads.0.emits.0.execution.status"),
        (
            changed("status: state", "status: {path: a, match: '('}"),
            11,
            "reads.0.emits.0.execution.status.match",
        ),
        (
            changed("status: state", "status: {path: a, match: 'a'}"),
            11,
            "reads.0.emits.0.execution.status.match",
        ),
        (changed("status: state", "status: {path: a, constant: b}"), 11, "reads.0.emits.0.execution.status"),
        (
            changed("status: state", "status: {format: 'x{a..b}'}"),
            11,
            "reads.0.emits.0.execution.status.format",
        ),
        (
            changed("      - execution:", "      - when: {a: [1]}\n        executions:"),
            9,
            "reads.0.emits.0.executions",
        ),
        (changed("    table: runs", "    rows: sums\n    table: runs"), 9, "reads.0.emits.0"),
        (GOOD + "timezone: Mars/Olympus\n", 12, "timezone"),
        (GOOD + "statuses: {boom: exploded}\n", 12, "statuses.boom"),
        (GOOD + "reads: [\n", 13, "not YAML"),
        ("", 1, "empty"),
        ("- a\n", 1, "Expected `object`"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(text: str, line: int, key: str) -> None:
    with pytest.raises(BadMapping) as told:
        mapping_file.parse(text, "m.yml")
    assert str(told.value).startswith(f"m.yml:{line}: {key}")
    assert "\n" not in str(told.value)


def test_two_reads_cannot_share_a_position() -> None:
    twice = GOOD + GOOD[GOOD.index("  - name") :]
    with pytest.raises(BadMapping, match=r"m.yml:12: reads.1.name: 'runs' is the name of another read"):
        mapping_file.parse(twice, "m.yml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadMapping, match="cannot be read"):
        mapping_file.load(str(tmp_path / "none.yml"))


def test_an_unknown_preset_is_told_with_those_that_are_known() -> None:
    with pytest.raises(BadMapping, match=r"'arflow', expected one of absurd, airflow"):
        mapping_file.preset("arflow")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("- execution:", "- stage:").replace(
                "status: state", "status: state\n          stage: s\n          items: {in: a, out: b}"
            ),
            "m.yml:13: reads.0.emits.0.stage.items: unknown field, expected one of pipeline, execution, stage, ",
        ),
        (
            changed("status: state", "status: {paht: state}"),
            "m.yml:11: reads.0.emits.0.execution.status.paht: unknown field, expected one of path, constant, ",
        ),
        (
            changed("status: state", "status: {first: [{path: a, loockup: {}}]}"),
            "m.yml:11: reads.0.emits.0.execution.status.first.0.loockup: unknown field, expected one of path, ",
        ),
        (
            changed("status: state", "status: state\n          labels: {a: {path: b, lookup: {kee: c}}}"),
            "m.yml:12: reads.0.emits.0.execution.labels.kee: unknown field, expected one of list, key, value",
        ),
        (
            GOOD + "statusses: {}\n",
            "m.yml:12: statusses: unknown field, expected one of system, reads_from, ",
        ),
    ],
)
def test_an_unknown_field_is_told_with_those_that_there_are(text: str, message: str) -> None:
    with pytest.raises(BadMapping) as told:
        mapping_file.parse(text, "m.yml")
    assert str(told.value).startswith(message)
    assert "expected one of" in str(told.value)


def test_a_key_that_stands_twice_is_refused_with_its_line() -> None:
    with pytest.raises(BadMapping, match=r"^m.yml:6: table: stands twice, in line 5 as well$"):
        mapping_file.parse(changed("table: runs", "table: runs\n    table: walks"), "m.yml")


@pytest.mark.parametrize("pattern", ["''", "/data/*.json"])
def test_a_pattern_names_files_below_the_folder(pattern: str) -> None:
    text = GOOD.replace("from: database", "from: folder").replace("table: runs", f"files: {pattern}")
    with pytest.raises(BadMapping, match=r"^m.yml:5: reads.0.files: expected a pattern of names"):
        mapping_file.parse(text, "m.yml")
