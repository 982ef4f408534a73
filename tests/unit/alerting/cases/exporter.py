"""Cases of alerts about the exporter, Prometheus and Alertmanager."""

from __future__ import annotations

from exporter.catalogue import Metric
from exporter.catalogue import foreign as f
from exporter.catalogue import own as o
from tests.support.alerting import FIRST, JOB, SECOND, Case, Series, together, told
from tests.unit.alerting.cases.common import LONG, steady, then

ONE = {"job": JOB, "instance": FIRST}
ANY = {"job": JOB}
SOURCE = {"source": "cloudevents"}
RULES = {"rule_group": "/etc/prometheus/rules/executions.yml;pipelines executions"}
OTHERS = {"rule_group": "/etc/prometheus/rules/nodes.yml;nodes"}


def up(values: str, instance: str = FIRST, build: str | None = None) -> Series:
    """A target, and whether it says that it is an exporter."""
    seen = build or values.replace("0x", "_x")
    return together(
        told(f.UP, values, instance=instance),
        told(o.BUILD_INFO, seen, instance=instance, version="1", python="3.11", database="sqlite"),
    )


UP = up(steady(1))
DOWN = up(f"1x30 0x{LONG}")


def scrapes(fast: str, every: str) -> Series:
    return together(
        UP,
        told(o.SCRAPE_SECONDS, fast, "_bucket", le="0.5"),
        told(o.SCRAPE_SECONDS, every, "_bucket", le="5"),
        told(o.SCRAPE_SECONDS, every, "_bucket", le="+Inf"),
    )


def own(metric: Metric, values: str, **labels: str) -> Series:
    return together(UP, told(metric, values, **labels))


def pressure(depth: float, refused: str) -> Series:
    return together(
        UP,
        told(o.QUEUE_DEPTH, steady(depth)),
        told(o.QUEUE_LIMIT, steady(50_000)),
        told(o.REFUSALS, refused, **SOURCE, status="503"),
    )


def disk(free: str) -> Series:
    return together(UP, told(o.DATABASE_FREE, free), told(o.DATABASE_VOLUME, steady(1e11)))


def series(number: float) -> Series:
    return together(UP, told(o.SERIES, steady(number)), told(o.SERIES_LIMIT, steady(200_000)))


HOURS = 12
"""Samples an hour where they are five minutes apart."""
DAY = 24 * HOURS


def last_event(*days: str) -> Series:
    """Of each day, whether the way in was `busy` or `quiet`: its latest event moves, or stays where it was."""
    values, latest = [], 0
    for number, day in enumerate(days):
        if day == "busy":
            values.append(f"{number * 86400}+300x{DAY - 1}")
            latest = number * 86400 + 300 * (DAY - 1)
        else:
            values.append(f"{latest}x{DAY - 1}")
    return together(told(o.SOURCE_LAST_EVENT, " ".join(values), **SOURCE))


CASES = (
    Case("PipelineExporterDown", "it stopped to answer", DOWN, 40, ANY),
    Case("PipelineExporterDown", "it answers", UP, 40),
    Case(
        "PipelineExporterDown",
        "one of two stopped to answer",
        together(DOWN, up(steady(1), SECOND)),
        40,
        of_process=True,
    ),
    Case("PipelineExporterDown", "something else is down", told(f.UP, steady(0), job="node"), 40),
    Case(
        "PipelineExporterReplicaDown",
        "one of two stopped to answer",
        together(DOWN, up(steady(1), SECOND)),
        40,
        ONE,
        of_process=True,
    ),
    Case("PipelineExporterReplicaDown", "both answer", together(UP, up(steady(1), SECOND)), 40),
    Case("PipelineExporterAbsent", "there never was one", told(f.UP, steady(1), job="node"), 20, {}),
    Case("PipelineExporterAbsent", "it is there", UP, 20),
    Case("PipelineExporterAbsent", "it is down, of which another alert tells", DOWN, 60),
    Case(
        "PipelineExporterScrapeSlow",
        "scrapes take seconds",
        scrapes(steady(0), f"0+4x{LONG}"),
        30,
        ONE,
        of_process=True,
    ),
    Case("PipelineExporterScrapeSlow", "scrapes are quick", scrapes(f"0+4x{LONG}", f"0+4x{LONG}"), 30),
    Case(
        "PipelineExporterCommitFailing",
        "the database refuses",
        own(o.COMMIT_FAILURES, f"0x20 1+1x{LONG}", reason="database"),
        30,
        ONE,
        of_process=True,
    ),
    Case(
        "PipelineExporterCommitFailing",
        "a defect, of which another alert tells",
        own(o.COMMIT_FAILURES, f"0x20 1+1x{LONG}", reason="defect"),
        30,
    ),
    Case(
        "PipelineExporterCommitFailing",
        "it refused an hour ago",
        own(o.COMMIT_FAILURES, then(0, 20, 5), reason="database"),
        80,
    ),
    Case(
        "PipelineExporterDefect",
        "events met a defect",
        own(o.COMMIT_FAILURES, then(0, 20, 1), reason="defect"),
        25,
        ONE,
        of_process=True,
    ),
    Case(
        "PipelineExporterDefect",
        "the database refused",
        own(o.COMMIT_FAILURES, then(0, 20, 1), reason="database"),
        25,
    ),
    Case(
        "PipelineExporterUpkeepFailing",
        "a task fails in each round",
        own(o.UPKEEP_FAILURES, f"0x20 1+12x{LONG}", task="lost", reason="defect"),
        40,
        ONE | {"task": "lost"},
        of_process=True,
    ),
    Case(
        "PipelineExporterUpkeepFailing",
        "the database was locked for a moment",
        own(o.UPKEEP_FAILURES, then(0, 20, 2), task="lost", reason="database"),
        27,
    ),
    Case(
        "PipelineExporterQueueFilling",
        "the queue is nearly full",
        pressure(40_000, steady(0)),
        10,
        ONE,
        of_process=True,
    ),
    Case(
        "PipelineExporterQueueFilling",
        "senders are turned away",
        pressure(0, f"0+1x{LONG}"),
        10,
        ONE,
        of_process=True,
    ),
    Case("PipelineExporterQueueFilling", "some events wait", pressure(2_000, steady(0)), 10),
    Case(
        "PipelineExporterEventsRefused",
        "the first refusal of its kind",
        own(o.REFUSALS, "_x30 1x500", **SOURCE, status="422"),
        35,
        {**ANY, **SOURCE, "status": "422"},
    ),
    Case(
        "PipelineExporterEventsRefused",
        "one more refusal",
        own(o.REFUSALS, then(3, 30, 4), **SOURCE, status="422"),
        35,
        {**ANY, **SOURCE, "status": "422"},
    ),
    Case(
        "PipelineExporterEventsRefused",
        "refusals of long ago",
        own(o.REFUSALS, steady(3), **SOURCE, status="422"),
        35,
    ),
    Case(
        "PipelineExporterEventsRefused",
        "senders are told to come back",
        own(o.REFUSALS, "_x30 1x500", **SOURCE, status="503"),
        35,
    ),
    Case(
        "PipelineExporterEventsRefused",
        "refusals of before this Prometheus began to scrape",
        together(
            up("_x28 1x500", build="_x28 1x500"), told(o.REFUSALS, "_x28 3x500", **SOURCE, status="422")
        ),
        35,
    ),
    Case(
        "PipelineSourceSilent",
        "silent since the night, as it was not yesterday",
        last_event("busy", "busy", "quiet"),
        2 * 1440 + 480,
        {**ANY, **SOURCE},
        step=5,
    ),
    Case("PipelineSourceSilent", "events come", last_event("busy", "busy", "busy"), 2 * 1440 + 480, step=5),
    Case(
        "PipelineSourceSilent",
        "silent as it was yesterday",
        last_event("busy", "quiet", "quiet"),
        2 * 1440 + 480,
        step=5,
    ),
    Case(
        "PipelineSourceSilent",
        "silent as it was a week ago",
        last_event("busy", "quiet", "busy", "busy", "busy", "busy", "busy", "busy", "quiet"),
        8 * 1440 + 480,
        step=5,
    ),
    Case(
        "PipelineSourceUnreadable",
        "it has been away for a quarter of an hour",
        own(o.SOURCE_UP, f"1x30 0x{LONG}", source="imaging"),
        46,
        {**ANY, "source": "imaging"},
    ),
    Case("PipelineSourceUnreadable", "it is read", own(o.SOURCE_UP, steady(1), source="imaging"), 46),
    Case(
        "PipelineSourceUnreadable",
        "another replica reads it",
        together(
            own(o.SOURCE_UP, steady(0), source="imaging"),
            told(o.SOURCE_UP, steady(1), instance=SECOND, source="imaging"),
        ),
        46,
    ),
    Case("PipelineExporterSeriesNearLimit", "nearly all are given away", series(190_000), 20, ANY),
    Case("PipelineExporterSeriesNearLimit", "half are given away", series(100_000), 20),
    Case(
        "PipelineExporterLabelOverflow",
        "the first value too many",
        own(o.LABEL_OVERFLOW, "_x80 1x500", label="stage"),
        90,
        {**ANY, "label": "stage"},
    ),
    Case(
        "PipelineExporterLabelOverflow",
        "too many long ago",
        own(o.LABEL_OVERFLOW, steady(7), label="stage"),
        90,
    ),
    Case("PipelineExporterDiskFilling", "a tenth is free", disk(steady(1e10)), 20, ONE, of_process=True),
    Case(
        "PipelineExporterDiskFilling",
        "it will be full within a day",
        disk(f"4e10-1e8x{LONG}"),
        60,
        ONE,
        of_process=True,
    ),
    Case("PipelineExporterDiskFilling", "a third is free, and stays so", disk(steady(3.3e10)), 60),
    Case("PipelineExporterDiskFilling", "nearly empty, and filling", disk("9e10-1e8x100"), 60),
    Case("PipelineExporterDiskFull", "a hundredth is free", disk(steady(1e9)), 10, ONE, of_process=True),
    Case("PipelineExporterDiskFull", "a tenth is free", disk(steady(1e10)), 10),
    Case(
        "PipelineRulesFailing",
        "rules fail",
        told(f.RULE_FAILURES, f"0+1x{LONG}", job="prometheus", **RULES),
        20,
        RULES,
        of_process=True,
    ),
    Case(
        "PipelineRulesFailing",
        "rules of others fail",
        told(f.RULE_FAILURES, f"0+1x{LONG}", job="prometheus", **OTHERS),
        20,
    ),
    Case(
        "PipelineRulesFailing", "none fails", told(f.RULE_FAILURES, steady(0), job="prometheus", **RULES), 20
    ),
    Case(
        "PipelineRulesLate",
        "evaluations are left out",
        told(f.RULE_MISSES, f"0+1x{LONG}", job="prometheus", **RULES),
        20,
        RULES,
        of_process=True,
    ),
    Case(
        "PipelineRulesLate", "none is left out", told(f.RULE_MISSES, steady(3), job="prometheus", **RULES), 20
    ),
    Case(
        "PipelineAlertmanagerMissing",
        "none is known",
        told(f.ALERTMANAGERS, steady(0), job="prometheus"),
        20,
        {"job": "prometheus"},
        of_process=True,
    ),
    Case(
        "PipelineAlertmanagerMissing", "one is known", told(f.ALERTMANAGERS, steady(1), job="prometheus"), 20
    ),
    Case(
        "PipelineAlertsDropped",
        "alerts are dropped",
        told(f.NOTIFICATIONS_DROPPED, f"0+1x{LONG}", job="prometheus"),
        20,
        {"job": "prometheus"},
        of_process=True,
    ),
    Case(
        "PipelineAlertsDropped",
        "none is dropped",
        told(f.NOTIFICATIONS_DROPPED, steady(2), job="prometheus"),
        20,
    ),
    Case(
        "PipelineNotificationsFailing",
        "mails are not delivered",
        told(f.NOTIFICATIONS_FAILED, f"0+1x{LONG}", job="alertmanager", integration="email"),
        20,
        {"integration": "email"},
        of_process=True,
    ),
    Case(
        "PipelineNotificationsFailing",
        "one was not, an hour ago",
        told(f.NOTIFICATIONS_FAILED, then(0, 20, 1), job="alertmanager", integration="email"),
        80,
    ),
)
