"""docs/sql.md: its tables name every column of every view, and its examples run as the reader's role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from exporter.store.reader import INTERVAL, MOST_SECONDS
from tests.support.documents import TEXTS, Block, blocks
from tests.support.panels import Session, prepare, session
from tests.support.postgresql import PostgreSQL
from tests.support.runs import FAILED, failed_run, running_run, usual_runs
from tests.support.stored import stored

NAME = "docs/sql.md"
EXAMPLES = [block for block in blocks(NAME) if block.kind == "sql"]
TYPES = {"double precision": "double", "integer": "int", "timestamp with time zone": "timestamptz"}
VARIABLES = {"pipeline": "'nightly','hourly'", "q": "'KeyError'", "execution_id": f"'{FAILED}'"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session of the reader in a server of its own, as roles are the whole server's."""
    with ExitStack() as stack:
        server = PostgreSQL()
        stack.callback(server.close)
        server.start()
        url = prepare(server, tmp_path_factory.mktemp("document"))
        with stored(url) as store:
            store.put(*failed_run(), *running_run(), *usual_runs())
        yield stack.enter_context(session(url))


def as_grafana(told: str) -> str:
    """A query with Grafana's macros and variables filled in, as its PostgreSQL datasource does."""
    begin, end = "'2026-11-22T11:00:00Z'", "'2026-11-22T13:00:00Z'"
    query: str = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {begin} AND {end}", told)
    query = query.replace("$__interval", "'1m'")
    query = re.sub(
        r"\$__timeGroupAlias\((\w+), '1m', 0\)", r'floor(extract(epoch from \1)/60)*60 AS "time"', query
    )
    for name, value in VARIABLES.items():
        query = query.replace(f"${{{name}:sqlstring}}", value)
    assert "$" not in query
    return query


def heading(block: Block) -> str:
    before = TEXTS[NAME].partition(block.text)[0]
    headings: list[str] = re.findall(r"^#+ (.+)$", before, re.MULTILINE)
    return headings[-1]


@pytest.mark.parametrize("block", EXAMPLES, ids=heading)
def test_every_example_gives_rows(reader: Session, block: Block) -> None:
    assert reader.execute(as_grafana(block.text).encode()).fetchall()


def test_there_are_five_panels_and_a_variable() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("block", EXAMPLES[1:2], ids=heading)
def test_a_value_of_a_variable_stays_a_value(
    reader: Session, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIABLES, "q", "'''; SELECT pg_sleep(9); --'")
    assert reader.execute(as_grafana(block.text).encode()).fetchall() == []


def test_every_column_is_in_a_table_with_its_type(reader: Session) -> None:
    shown: dict[str, dict[str, str]] = {}
    for view, name, type_ in reader.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, -1) FROM pg_class c JOIN pg_attribute a "
        "ON a.attrelid = c.oid WHERE c.relnamespace = 'pipelines'::regnamespace AND a.attnum > 0"
    ):
        shown.setdefault(view, {})[name] = TYPES.get(type_, type_)
    told = {view: dict(columns(view)) for view in ("executions", "stages", "errors", "pipelines")}
    assert told == {view: shown[view] for view in told}
    for view in ("logs", "warnings", "artifacts", "llm_calls", "resources"):
        (line,) = [line for line in TEXTS[NAME].splitlines() if line.startswith(f"| `{view}` |")]
        common = {"id", "execution_id", "pipeline", "environment", "time", "stage"}
        assert set(re.findall(r"`(\w+)`", line)) == {view} | shown[view].keys() - common
    (line,) = [line for line in TEXTS[NAME].splitlines() if line.startswith("One row a stage that")]
    assert set(re.findall(r"`(\w+)`", line)) == shown["pipeline_stages"].keys()


def columns(view: str) -> Iterator[tuple[str, str]]:
    """Names and types in the table below a view's heading."""
    section = TEXTS[NAME].partition(f"### {view}\n")[2].partition("\n#")[0]
    for names, types in re.findall(r"^\| (`.+?`) \| ([\w\[\], ]+) \|", section, re.MULTILINE):
        found = re.findall(r"`(\w+)`", names)
        each = types.split(", ")
        yield from zip(found, each * len(found) if len(each) == 1 else each, strict=len(each) > 1)


def test_what_is_said_of_the_watch_is_so() -> None:
    text = TEXTS[NAME]
    assert f"looks every {INTERVAL:g} s" in text
    assert f"has lasted {MOST_SECONDS:g} s" in text
