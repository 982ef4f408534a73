"""docs/dashboards.md: its example is a dashboard, its list names every one, its commands exist."""

from __future__ import annotations

import argparse
import re
import types

from dashboards.grafana.dashboard import Dashboard
from exporter.cli import dashboards, rules
from tests.support.boards import boards, promql
from tests.support.paths import REPOSITORY
from tests.support.promql import unknown

DOCUMENT = (REPOSITORY / "docs" / "dashboards.md").read_text()


def test_the_worked_example_is_a_dashboard_in_fifteen_lines() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    module = types.ModuleType("ours")
    exec(code, module.__dict__)
    made = module.board()
    assert isinstance(made, Dashboard)
    (panel,) = made.to_json_data()["panels"]
    assert unknown(promql(panel["targets"][0]["expr"], {})) == []


def test_every_dashboard_is_in_the_list() -> None:
    listed = re.findall(r"^\| ([A-Z][^|]+?) \|", DOCUMENT, re.MULTILINE)
    titles = {board["title"].removeprefix("Pipelines / ") for board in boards().values()}
    assert titles == set(listed)


def test_every_option_of_the_table_exists() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command")
    dashboards.add_arguments(commands.add_parser("dashboards"))
    rules.add_arguments(commands.add_parser("rules"))
    values = {"--without": "sql", "--match": 'job="a"', "--label": "a=b"}
    for row in re.findall(r"^\| (`--.*?) \| (.*?) \|$", DOCUMENT, re.MULTILINE):
        for option in re.findall(r"--[a-z-]+", row[0]):
            kinds = ["rules"] if row[1].startswith("rules only") else ["dashboards"]
            for kind in kinds:
                parser.parse_args([kind, "export", "x", option, values.get(option, "y")])
