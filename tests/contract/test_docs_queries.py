"""What the queries of README.md and docs/metrics.md answer, as Prometheus works them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.documents import blocks
from tests.support.tools import tool

FAILED = 'pipeline_executions_total{pipeline="%s", status="failed", instance="%s"}'
SERIES = {
    FAILED % ("first", "a"): "_x90 1x60",
    FAILED % ("first", "b"): "_x90 1x60",
    FAILED % ("again", "a"): "3x100 5x50",
    FAILED % ("long-ago", "a"): "7x150",
    'pipeline_executions_total{pipeline="well", status="succeeded", instance="a"}': "_x90 1x60",
}
"""Samples of every minute: nothing (`_`), then a value so many times."""


def query_of(name: str) -> str:
    """The query for failures within the last hour."""
    return next(block.text for block in blocks(name) if block.kind == "promql" and "offset 1h" in block.text)


@pytest.mark.parametrize("name", ["README.md", "docs/metrics.md"])
def test_failures_of_the_last_hour_are_counted_with_first_ones(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": []}))
    expected = [
        {"labels": f'{{pipeline="{pipeline}", status="failed"}}', "value": value}
        for pipeline, value in (("again", 2), ("first", 1))
    ]
    asked = {"expr": query_of(name), "eval_time": "140m", "exp_samples": expected}
    case = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in SERIES.items()],
        "promql_expr_test": [asked],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [case]}))
    command = [tool("promtool"), "test", "rules", "case.yml"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
