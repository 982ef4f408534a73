"""Each alert over series given to promtool: it fires, and in the nearest healthy case it is silent."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.alert import AlertGroup
from alerting.catalogue import ALERTS, GROUPS
from tests.support.alerting import PAIR, Case, Fired, beside_replicas, evaluated
from tests.unit.alerting.cases import executions, exporter, llm, quality, schedules, stages, streams

CASES: dict[str, tuple[Case, ...]] = {
    "executions": executions.CASES,
    "stages": stages.CASES,
    "schedules": schedules.CASES,
    "streams": streams.CASES,
    "quality": quality.CASES,
    "llm": llm.CASES,
    "exporter": exporter.CASES,
}
EVERY = [case for cases in CASES.values() for case in cases]


class Outcomes:
    """What fires in each case, with one exporter, and with two replicas in another job; promtool runs once an alert."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, list[Fired]] = {}

    def of(self, case: Case, *, replicas: bool = False) -> list[Fired]:
        """What fires."""
        if str(case) not in self._found:
            self._evaluate(case.alert)
        return [each for each in self._found[str(case)] if (each.labels.get("job") == PAIR) is replicas]

    def _evaluate(self, alert: str) -> None:
        (group,) = [group.name for group in GROUPS if alert in {each.name for each in group.alerts}]
        cases = [case for case in CASES[group] if case.alert == alert]
        given = [
            case if case.of_process else replace(case, series=beside_replicas(case.series)) for case in cases
        ]
        folder = self._folder / alert
        folder.mkdir()
        for case, fired in zip(cases, evaluated(given, group, folder), strict=True):
            self._found[str(case)] = fired


def without_job(fired: list[Fired]) -> list[dict[str, str]]:
    return [{name: value for name, value in each.labels.items() if name != "job"} for each in fired]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return Outcomes(tmp_path_factory.mktemp("promtool"))


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_an_alert_fires_when_it_should_and_is_silent_when_not(case: Case, outcomes: Outcomes) -> None:
    fired = outcomes.of(case)
    assert len(fired) == (case.fires is not None), fired
    for each in fired:
        assert each.labels.items() >= (case.fires or {}).items()


@pytest.mark.parametrize(
    "case", [case for case in EVERY if not case.of_process and case.fires != {}], ids=str
)
def test_two_replicas_fire_once_like_a_single_exporter(case: Case, outcomes: Outcomes) -> None:
    replicas = outcomes.of(case, replicas=True)
    assert without_job(replicas) == without_job(outcomes.of(case))


@pytest.mark.parametrize("case", [case for case in EVERY if case.fires is not None], ids=str)
def test_what_an_alert_says_is_complete(case: Case, outcomes: Outcomes) -> None:
    (fired,) = outcomes.of(case)
    texts = fired.annotations
    assert set(texts) == {"summary", "description", "runbook_url", "dashboard_url"}
    for text in texts.values():
        assert "<error" not in text
        assert "<no value>" not in text
        assert "{{" not in text
    assert len(texts["summary"]) <= 100
    assert "First " in texts["description"]
    for label in {"pipeline", "environment", "stage"} & set(fired.labels):
        assert label == "stage" or fired.labels[label] in texts["summary"]
    asked = re.findall(r"var-(\w+)=([^&]+)", texts["dashboard_url"])
    assert dict(asked).items() <= fired.labels.items()


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    firing = {case.alert for case in EVERY if case.fires is not None}
    silent = {case.alert for case in EVERY if case.fires is None}
    assert firing == silent == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_cases_are_filed_with_their_alerts(group: AlertGroup) -> None:
    assert {case.alert for case in CASES[group.name]} == {alert.name for alert in group.alerts}


def test_no_two_cases_are_called_the_same() -> None:
    assert len({str(case) for case in EVERY}) == len(EVERY)
