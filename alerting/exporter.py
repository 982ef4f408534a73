"""Alerts about the exporter, and about the Prometheus and Alertmanager that everything here rests on."""

from __future__ import annotations

from alerting.alert import ON_EXPORTER, Alert, AlertGroup, Kind, Severity
from alerting.expressions import both, started_counting
from alerting.wording import Form, value
from exporter.catalogue import foreign as f
from exporter.catalogue import own as o
from exporter.catalogue.metric import Metric
from exporter.catalogue.promql import Not, Regex, select

PROCESS = ("job", "instance")
BUSY = "503"
_OURS = Regex(".*;pipelines .*")
"""Groups of these rules, as Prometheus calls them behind the name of the file."""

_seen = f"max by (job, instance) (max_over_time({select(o.BUILD_INFO)}[1d]))"
"""Targets that were an exporter within a day, whatever the job is called."""
_exporters = f"{f.UP.name} and on (job, instance) {_seen}"
_INSTANCE = "{{ $labels.instance }}"


def _each(metric: Metric) -> str:
    return f"max by (job, instance) ({metric.name})"


def _grew(metric: Metric, window: str, by: str, **labels: str | Regex | Not) -> str:
    return f"sum by ({by}) (increase({select(metric, where=labels)}[{window}])) > 0"


def _silent() -> str:
    """Silent for an hour in which a day ago there was something, and a week ago too, as far as is known."""
    last = select(o.SOURCE_LAST_EVENT)
    silent = f"time() - max by (job, source) ({last}) > 3600"
    yesterday = f"max by (job, source) (changes({last}[1h] offset 1d)) > 0"
    never = f"max by (job, source) (changes({last}[1h] offset 7d)) == 0"
    return f"{both(silent, yesterday, labels=('job', 'source'))}\nunless on (job, source) ({never})"


def _filling() -> str:
    free, size = _each(o.DATABASE_FREE), _each(o.DATABASE_VOLUME)
    soon = f"max by (job, instance) (predict_linear({select(o.DATABASE_FREE)}[6h], 86400)) < 0"
    return f"{free} / {size} < 0.15\nor ({both(f'{free} / {size} < 0.5', soon, labels=PROCESS)})"


def _p95(metric: Metric, window: str) -> str:
    return (
        f"histogram_quantile(0.95, sum by (le, job, instance) (rate({select(metric, '_bucket')}[{window}])))"
    )


_of_exporter = (
    Alert(
        "PipelineExporterDown",
        f"max by (job) ({_exporters}) == 0",
        Severity.CRITICAL,
        "no exporter of a job answers: nothing below is watched",
        "{{ $labels.job }}: no exporter answers",
        "No exporter of the job {{ $labels.job }} answers Prometheus, so no alert of its pipelines can be "
        "trusted, the absence of alerts least of all. It also answers 503 while its database is away. First open "
        "/readyz: it says why.",
        ON_EXPORTER,
        "1m",
        kind=Kind.DOWN,
    ),
    Alert(
        "PipelineExporterReplicaDown",
        f"{f.UP.name} == 0 and on (job, instance) {_seen}",
        Severity.WARNING,
        "one exporter does not answer",
        f"{_INSTANCE} does not answer",
        f"The exporter at {_INSTANCE} does not answer Prometheus. Others of its job may do; then nothing is "
        "lost. First look whether the process runs and what its log says.",
        ON_EXPORTER,
        "2m",
        kind=Kind.DOWN,
    ),
    Alert(
        "PipelineExporterAbsent",
        f"absent({o.BUILD_INFO.name})\nunless on () (count({f.UP.name} == 0 and on (job, instance) {_seen}) > 0)",
        Severity.CRITICAL,
        "Prometheus knows no exporter at all",
        "Prometheus scrapes no pipeline exporter",
        "There is no series of any exporter, and no target that was one within a day: it was removed from the "
        "scrape configuration, or never in it. First look at the targets of Prometheus.",
        ON_EXPORTER,
        "10m",
        kind=Kind.DOWN,
    ),
    Alert(
        "PipelineExporterScrapeSlow",
        f"{_p95(o.SCRAPE_SECONDS, '10m')} > 2.5",
        Severity.WARNING,
        "scrapes take seconds: they will soon run into Prometheus' time limit",
        f"{_INSTANCE}: scrapes take {value(Form.LENGTH)}",
        f"One scrape in twenty takes {value(Form.LENGTH)} or longer at {_INSTANCE}. Beyond the limit of the "
        "scrape the exporter counts as down. First see how many series there are, and how busy the database is.",
        ON_EXPORTER,
        "10m",
    ),
    Alert(
        "PipelineExporterCommitFailing",
        _grew(o.COMMIT_FAILURES, "5m", "job, instance", reason="database"),
        Severity.CRITICAL,
        "the database does not take what comes in",
        f"{_INSTANCE}: the database takes no events",
        f"{value(Form.COUNT)} groups of events could not be committed within five minutes. Their senders were "
        "told 503 and will try again for a while; after that events are lost. First read the reason in the "
        "exporter's log, then look at the database and its disk.",
        ON_EXPORTER,
        "2m",
    ),
    Alert(
        "PipelineExporterDefect",
        _grew(o.COMMIT_FAILURES, "15m", "job, instance", reason="defect"),
        Severity.WARNING,
        "the exporter met events that it cannot apply, by a defect of its own",
        f"{_INSTANCE}: events met a defect",
        f"{value(Form.COUNT)} groups of events met a defect of the exporter within 15 minutes; their senders "
        "were told 500. First take the stack trace from the log, and report it.",
        ON_EXPORTER,
    ),
    Alert(
        "PipelineExporterUpkeepFailing",
        _grew(o.UPKEEP_FAILURES, "5m", "job, instance, task"),
        Severity.WARNING,
        "what the exporter does without any event is not done: giving up on silent executions, noticing missed "
        "starts, retention",
        f"{_INSTANCE}: upkeep fails at {{{{ $labels.task }}}}",
        f"{value(Form.COUNT)} rounds of the task {{{{ $labels.task }}}} failed within five minutes. Until it succeeds, "
        "executions that went silent may go on as running, missed starts stay unnoticed, or old rows stay. First "
        "read the reason in the exporter's log.",
        ON_EXPORTER,
        "10m",
    ),
    Alert(
        "PipelineExporterQueueFilling",
        f"{_each(o.QUEUE_DEPTH)} / {_each(o.QUEUE_LIMIT)} > 0.5\n"
        f"or ({_grew(o.REFUSALS, '5m', 'job, instance', status=BUSY)})",
        Severity.WARNING,
        "events come faster than they are committed, or are turned away already",
        f"{_INSTANCE}: events wait to be committed",
        f"More than half of the queue at {_INSTANCE} is taken, or senders were told to come back later. "
        "Nothing is lost as long as they do. First see how long commits take, and who sends more than usual.",
        ON_EXPORTER,
        "2m",
    ),
    Alert(
        "PipelineExporterEventsRefused",
        started_counting(o.REFUSALS, "15m", by=("job", "source", "status"), status=Not(BUSY)),
        Severity.WARNING,
        "somebody sends what cannot be taken",
        "Events by {{ $labels.source }} are refused with {{ $labels.status }}",
        "Requests that came by {{ $labels.source }} were refused with {{ $labels.status }} within 15 minutes. "
        "What they told is missing, and sending it again does not help. First look for `refused` in the "
        "exporter's log: it names the sender and the field.",
        ON_EXPORTER,
    ),
    Alert(
        "PipelineSourceSilent",
        _silent(),
        Severity.WARNING,
        "a way in brought nothing for an hour, and did at this time yesterday (and a week ago, where that is known)",
        "{{ $labels.source }}: no event for " + value(Form.LENGTH),
        "Nothing came by {{ $labels.source }} for "
        + value(Form.LENGTH)
        + ", and at this time yesterday something did. "
        "First send an event by hand; then look at the senders, and at what is between.",
        ON_EXPORTER,
        "5m",
        kind=Kind.STALENESS,
    ),
    Alert(
        "PipelineSourceUnreadable",
        f"max by (job, source) ({o.SOURCE_UP.name}) == 0",
        Severity.WARNING,
        "a source of the configuration cannot be read by any exporter",
        "{{ $labels.source }} cannot be read",
        "No exporter of the job {{ $labels.job }} can read the source {{ $labels.source }}: what is shown of its "
        "runs is the past. First look for 'a source cannot be read' in the exporter's log: it says why.",
        ON_EXPORTER,
        "10m",
        kind=Kind.DOWN,
    ),
    Alert(
        "PipelineExporterSeriesNearLimit",
        f"max by (job) ({o.SERIES.name}) / max by (job) ({o.SERIES_LIMIT.name}) > 0.9",
        Severity.WARNING,
        "nine tenths of the series that pipelines may have are given away",
        "{{ $labels.job }}: " + value(Form.SHARE) + " of its series are given away",
        value(Form.SHARE)
        + " of `--series-limit` is given away, and series are never given back. What comes beyond it "
        "has no series of its own, and no alerts. First see which pipeline has the most; then raise the limit.",
        ON_EXPORTER,
        "10m",
    ),
    Alert(
        "PipelineExporterLabelOverflow",
        started_counting(o.LABEL_OVERFLOW, "1h", by=("job", "label")),
        Severity.WARNING,
        "names came that have no series of their own any more",
        "Too many values of {{ $labels.label }}: some are exposed as __other__",
        "More values of {{ $labels.label }} came than there may be, and what is told of them is counted under "
        "__other__, where no alert watches it. First see whether names are made up anew for each run; they "
        "should not be.",
        ON_EXPORTER,
    ),
    Alert(
        "PipelineExporterDiskFilling",
        _filling(),
        Severity.WARNING,
        "the volume of the SQLite database will be full within a day, or nearly is (no such figure for PostgreSQL)",
        f"{_INSTANCE}: {value(Form.SHARE)} of the database's disk is free",
        f"{value(Form.SHARE)} of the volume of the database is free at {_INSTANCE}, and it is less than 15 % "
        "or gone within a day. First make room by other means than a shorter retention: deleting needs room, too.",
        ON_EXPORTER,
        "10m",
        kind=Kind.SPACE,
    ),
    Alert(
        "PipelineExporterDiskFull",
        f"{_each(o.DATABASE_FREE)} / {_each(o.DATABASE_VOLUME)} < 0.05",
        Severity.CRITICAL,
        "the volume of the SQLite database is about to be full (no such figure for PostgreSQL)",
        f"{_INSTANCE}: the database's disk is full but for {value(Form.SHARE)}",
        f"Only {value(Form.SHARE)} of the volume of the database is free at {_INSTANCE}. When it is full, no "
        "event is taken. First make room by other means than a shorter retention: deleting needs room, too.",
        ON_EXPORTER,
        "1m",
        kind=Kind.SPACE,
    ),
)
_of_prometheus = (
    Alert(
        "PipelineRulesFailing",
        _grew(f.RULE_FAILURES, "5m", "job, instance, rule_group", rule_group=_OURS),
        Severity.CRITICAL,
        "Prometheus cannot evaluate rules of this project: their alerts cannot fire",
        "Rules cannot be evaluated: {{ $labels.rule_group }}",
        "Prometheus at {{ $labels.instance }} fails to evaluate rules of {{ $labels.rule_group }}, so alerts "
        "that should fire may not. First open its page of rules: it shows the error.",
        ON_EXPORTER,
        "5m",
    ),
    Alert(
        "PipelineRulesLate",
        _grew(f.RULE_MISSES, "15m", "job, instance, rule_group", rule_group=_OURS),
        Severity.WARNING,
        "Prometheus has not the time to evaluate rules of this project as often as it should",
        "Rules are evaluated too rarely: {{ $labels.rule_group }}",
        "Prometheus at {{ $labels.instance }} left out evaluations of {{ $labels.rule_group }}: alerts come "
        "late. First see what keeps it busy.",
        ON_EXPORTER,
        "5m",
    ),
    Alert(
        "PipelineAlertmanagerMissing",
        f"max by (job, instance) ({f.ALERTMANAGERS.name}) < 1",
        Severity.CRITICAL,
        "Prometheus knows no Alertmanager: alerts reach nobody",
        "Prometheus at {{ $labels.instance }} knows no Alertmanager",
        "Alerts fire at {{ $labels.instance }} and are sent to nobody; this one is seen in Grafana only. First "
        "look at `alerting` in the configuration of Prometheus.",
        ON_EXPORTER,
        "5m",
    ),
    Alert(
        "PipelineAlertsDropped",
        _grew(f.NOTIFICATIONS_DROPPED, "5m", "job, instance"),
        Severity.CRITICAL,
        "alerts do not reach Alertmanager",
        "Alerts of Prometheus at {{ $labels.instance }} are dropped",
        "Prometheus at {{ $labels.instance }} dropped "
        + value(Form.COUNT)
        + " alerts within five minutes, as no "
        "Alertmanager took them. First see whether Alertmanager answers.",
        ON_EXPORTER,
        "2m",
    ),
    Alert(
        "PipelineNotificationsFailing",
        _grew(f.NOTIFICATIONS_FAILED, "5m", "job, instance, integration"),
        Severity.CRITICAL,
        "Alertmanager cannot deliver notifications by one of its ways",
        "Notifications by {{ $labels.integration }} are not delivered",
        "Alertmanager at {{ $labels.instance }} could not deliver " + value(Form.COUNT) + " notifications by "
        "{{ $labels.integration }} within five minutes. First read its log: an address, a token or a proxy is wrong.",
        ON_EXPORTER,
        "5m",
    ),
)

GROUP = AlertGroup("exporter", "The exporter and what watches it", (*_of_exporter, *_of_prometheus))
