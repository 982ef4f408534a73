"""Tests of dbt: what they found, and how the burst after a run tells of them.

In the burst, the tests of a model come as one run with an assertion for each, and tests that are plain SQL
come once more as runs of their own. All bear the time at which they were sent: how long a test took is
unknown. A test that was skipped looks as if it had failed, save that nobody counted its failures."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from exporter.domain.errors import Category, ErrorDetail
from exporter.domain.events import Payload, StageFinished, WarningRaised
from exporter.domain.status import Status
from exporter.domain.text import clean_name
from exporter.ingest.openlineage import datasets
from exporter.ingest.openlineage.datasets import Assertion
from exporter.ingest.openlineage.dbt_nodes import Node
from exporter.ingest.openlineage.states import OUTCOMES, About, checked
from exporter.ingest.openlineage.wire import RunEvent, text

_OF_BUILD = ".build.test"
_VERSION = re.compile(r"/tree/(\d+)\.(\d+)")
_COUNTS_SINCE = (1, 47)
"""First version of `dbt-ol` that tells how many records failed a test."""


class _Test(Struct):
    status: Any = None
    actual: Any = None


class _Tests(Struct):
    tests: list[_Test] = []


def summed_up(event: RunEvent, node: Node) -> list[Assertion] | None:
    """The tests of a model that come as one run; None if the event is about one test."""
    if node.resource == "test" and not event.name.endswith(".test"):
        return None
    return datasets.assertions(datasets.inputs(event)) or None


def is_echo(event: RunEvent) -> bool:
    """Whether an event says that a test starts which is long over: its result comes along."""
    return event.type == "START" and "test" in event.run


def was_skipped(event: RunEvent) -> bool:
    """Whether the run of a single test, told as failed, came to no figure and no message: it was skipped."""
    facet = event.run.read("test", _Tests)
    if event.type != "FAIL" or "errorMessage" in event.run or facet is None or not _tells_counts(event):
        return False
    return bool(facet.tests) and all(text(test.actual) is None for test in facet.tests)


def results(event: RunEvent, about: About, stage: str) -> list[Payload]:
    """What a test that ran on its own found."""
    if event.type not in ("COMPLETE", "FAIL"):
        return []
    found = datasets.assertions(datasets.inputs(event))
    payloads: list[Payload] = [checked(about, stage, found)] if found else []
    return payloads + [_warning(about, stage, one) for one in found if one.warning and not one.success]


def burst(event: RunEvent, about: About, node: Node, found: list[Assertion]) -> list[Payload]:
    """The tests of a model, each a stage of its own, as they ended."""
    if event.type not in OUTCOMES:
        return []
    payloads: list[Payload] = []
    for one in found:
        stage = clean_name(f"test.{node.project}.{one.rule}" if node.project else f"test.{one.rule}")
        status, word = _outcome(event, one)
        payloads.append(
            StageFinished(
                **about,
                stage=stage,
                attempt=1,
                depends_on=[node.id],
                kind="test",
                status=status,
                source_status=word,
                error=_error(one) if status is Status.FAILED else None,
                conclusive=True,
            )
        )
        if status is not Status.SKIPPED:
            payloads.append(checked(about, stage, [one]))
        if word == "warn":
            payloads.append(_warning(about, stage, one))
    return payloads


def _outcome(event: RunEvent, one: Assertion) -> tuple[Status, str]:
    """A test's status, in dbt's own words, from the little that is told."""
    if one.success:
        return Status.SUCCEEDED, "pass"
    # Only `dbt build` skips tests; elsewhere one without a figure broke down.
    if not one.counted and event.name.endswith(_OF_BUILD) and _tells_counts(event):
        return Status.SKIPPED, "skipped"
    return (Status.SUCCEEDED, "warn") if one.warning else (Status.FAILED, "fail")


def _tells_counts(event: RunEvent) -> bool:
    version = _VERSION.search(event.producer)
    return version is not None and (int(version[1]), int(version[2])) >= _COUNTS_SINCE


def _error(one: Assertion) -> ErrorDetail:
    return ErrorDetail(message=one.sentence, type="TestFailed", category=Category.DATA_QUALITY).cleaned()


def _warning(about: About, stage: str, one: Assertion) -> Payload:
    return WarningRaised(**about, stage=stage, message=one.sentence, code="test")
