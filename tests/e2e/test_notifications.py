"""From an event to a message: a real exporter, Prometheus with the stack's rules, Alertmanager with its configuration.

The message must come, must be one, must say when it is over, and what it explains must stay silent. Rules and groups
are as in the stack, only with seconds for its minutes. Slack, Teams, PagerDuty and webhooks are one recording server,
mail another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.exporter import StartExporter
from tests.support.load import post
from tests.support.notifications import (
    FIRST_FOR_THE_STACK,
    Stack,
    StartAlertmanager,
    alertmanager_version,
    as_installed,
    declared,
    prometheus_of,
    rendered,
    run,
)
from tests.support.program import wait_for
from tests.support.prometheus import StartPrometheus
from tests.support.receivers import Json, Mailbox, WebRecorder

STAGES = ("extract", "clean", "load")
FAILED = dict.fromkeys(STAGES, ("failed", "failed", "failed"))
RETRIED = dict.fromkeys(STAGES, ("failed", "failed", "succeeded"))
FINE = dict.fromkeys(STAGES, ("succeeded",))
# Just long enough that alerts of one evaluation are together.
QUICK = {"GROUP_WAIT": "2s", "GROUP_INTERVAL": "2s"}


class StartStack(Protocol):
    """The fixture `start_stack`."""

    def __call__(self, **variables: str) -> Stack: ...


@pytest.fixture
def start_stack(
    tmp_path: Path,
    sqlite_url: str,
    start_exporter: StartExporter,
    start_prometheus: StartPrometheus,
    start_alertmanager: StartAlertmanager,
) -> Iterator[StartStack]:
    """`start_stack(WEBHOOK_URL="{web}/webhook")`: {web} and {mail} stand for the recorders' addresses."""
    with ExitStack() as stack:

        def start(**variables: str) -> Stack:
            web, mailbox = WebRecorder(), Mailbox()
            stack.callback(web.close)
            stack.callback(mailbox.close)
            places = {"web": web.url, "mail": f"127.0.0.1:{mailbox.port}"}
            texts = {name: text.format(**places) for name, text in (QUICK | variables).items()}
            alertmanager = start_alertmanager(as_installed(rendered(tmp_path / "configuration", **texts)))
            exporter = start_exporter(database=sqlite_url)
            prometheus = prometheus_of(start_prometheus, tmp_path, exporter, alertmanager)
            return Stack(exporter, prometheus, alertmanager, web, mailbox)

        yield start


def seen(stack: Stack, pipeline: str) -> None:
    """A healthy run, and a scrape of it: later failures are an increase."""
    assert post(stack.exporter.url, run(pipeline, "r0", "succeeded", FINE)).ok
    healthy = f'pipeline_executions_total{{pipeline="{pipeline}",status="succeeded"}}'
    wait_for(lambda: stack.prometheus.query(healthy), "a scrape")


def fails(stack: Stack, pipeline: str) -> None:
    """Three failures in a row, of all stages."""
    for number in (1, 2, 3):
        assert post(stack.exporter.url, run(pipeline, f"r{number}", "failed", FAILED)).ok


def scopes(message: Json) -> set[str]:
    """What the alerts of a message speak of."""
    return {alert["labels"]["scope"] for alert in message["alerts"]}


def inhibited(stack: Stack, **labels: str) -> bool:
    """Whether there are such alerts, and something keeps all of them quiet."""
    alerts = stack.held(**labels)
    return bool(alerts) and all(alert["status"]["inhibitedBy"] for alert in alerts)


def of_kind(stack: Stack, kind: str, status: str) -> list[Json]:
    """Messages about no pipeline with an alert of a kind. The disk of whoever runs this may raise others."""
    return [
        message
        for message in stack.webhook("")
        if message["status"] == status
        and any(each["labels"].get("kind") == kind for each in message["alerts"])
    ]


def test_a_failing_pipeline_is_told_and_its_stages_are_not(start_stack: StartStack) -> None:
    stack = start_stack(WEBHOOK_URL="{web}/webhook")
    seen(stack, "billing-export")
    fails(stack, "billing-export")
    stack.wait_for_message("billing-export", "firing")
    wait_for(lambda: inhibited(stack, scope="stage", pipeline="billing-export"), "silenced alerts of stages")
    fails_too = {alert["labels"]["stage"] for alert in stack.held(scope="stage", pipeline="billing-export")}
    assert fails_too == set(STAGES)
    told = [scopes(message) for message in stack.webhook("billing-export")]
    assert set().union(*told) == {"execution"}
    assert post(stack.exporter.url, run("billing-export", "r4", "succeeded", FINE)).ok
    over = stack.wait_for_message("billing-export", "resolved")
    assert scopes(over) == {"execution"}


def test_stages_in_trouble_in_a_pipeline_that_gets_through_are_one_message(start_stack: StartStack) -> None:
    stack = start_stack(WEBHOOK_URL="{web}/webhook", WEBHOOK_SEVERITIES="critical,warning,info")
    seen(stack, "imports")
    for number in range(1, 5):
        assert post(stack.exporter.url, run("imports", f"r{number}", "succeeded", RETRIED)).ok
    message = stack.wait_for_message("imports", "firing")
    stages = {alert["labels"]["stage"] for alert in message["alerts"]}
    assert (scopes(message), stages) == ({"stage"}, set(STAGES))
    assert message["groupLabels"] == {"environment": "production", "pipeline": "imports"}


def test_while_the_exporter_is_down_only_that_is_told(start_stack: StartStack) -> None:
    stack = start_stack(WEBHOOK_URL="{web}/webhook")
    seen(stack, "billing-export")
    fails(stack, "billing-export")
    stack.wait_for_message("billing-export", "firing")
    told = stack.webhook("billing-export")
    stack.exporter.stop()
    wait_for(lambda: of_kind(stack, "down", "firing"), "a message that the exporter is down", seconds=60)
    # Its series end, so the pipeline's alert ends as well: not because anything is well again.
    firing = 'ALERTS{pipeline="billing-export",scope="execution",severity="critical",alertstate="firing"}'
    wait_for(lambda: not stack.prometheus.query(firing), "the end of the pipeline's alerts", seconds=60)
    stack.exporter.start()
    stack.exporter.wait_until_ready()
    wait_for(lambda: of_kind(stack, "down", "resolved"), "a message that it is back", seconds=60)
    assert stack.webhook("billing-export") == told


def test_every_receiver_that_is_switched_on_is_told_and_told_when_it_is_over(start_stack: StartStack) -> None:
    stack = start_stack(
        EMAIL_TO="oncall@example.org, second@example.org",
        SMTP_HOST="{mail}",
        SMTP_FROM="alerts@example.org",
        SMTP_TLS="off",
        SLACK_WEBHOOK_URL="{web}/slack",
        SLACK_CHANNEL="#pipelines",
        TEAMS_WEBHOOK_URL="{web}/teams",
        PAGERDUTY_ROUTING_KEY="0123456789abcdef0123456789abcdef",
        PAGERDUTY_URL="{web}/pagerduty",
        WEBHOOK_URL="{web}/webhook",
        WEBHOOK_TOKEN="s3cret",
    )
    seen(stack, "billing-export")
    fails(stack, "billing-export")
    expect_firing(stack)
    assert post(stack.exporter.url, run("billing-export", "r4", "succeeded", FINE)).ok
    expect_resolved(stack)


def critical_mail(stack: Stack, word: str) -> EmailMessage:
    """The first mail whose subject begins so and names the pipeline."""

    def found() -> EmailMessage | None:
        subject = f"[{word}] billing-export (production)"
        return next((mail for mail in stack.mailbox.mails if mail["Subject"].startswith(subject)), None)

    mail = wait_for(found, f"a mail [{word}]", seconds=60)
    assert mail is not None
    return mail


def text_of(mail: EmailMessage, kind: str) -> str:
    """The part of a mail that is plain or html."""
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def in_colour(stack: Stack, colour: str) -> list[Json]:
    """Messages to Slack about the pipeline in this colour."""
    bodies = [body for body in stack.web.at("/slack") if "billing-export" in body["attachments"][0]["title"]]
    return [body for body in bodies if body["attachments"][0]["color"] == colour]


def pages(stack: Stack, action: str) -> list[Json]:
    """Events of the pipeline's incident at PagerDuty. Its end carries no payload."""
    events = stack.web.at("/pagerduty")
    ours = {
        page["dedup_key"]
        for page in events
        if page.get("payload", {}).get("group") == "billing-export (production)"
    }
    return [page for page in events if page["event_action"] == action and page["dedup_key"] in ours]


def expect_firing(stack: Stack) -> None:
    mail = critical_mail(stack, "CRITICAL")
    assert mail["To"] == "oncall@example.org, second@example.org"
    assert "http://localhost:3000/d/pipelines-" in text_of(mail, "plain")
    assert "/#/silences/new?filter=%7B" in text_of(mail, "html")
    slack = wait_for(lambda: in_colour(stack, "#c4162a"), "Slack in red", seconds=60)[0]
    assert slack["channel"] == "#pipelines"
    assert slack["attachments"][0]["title"].startswith("[CRITICAL] billing-export (production)")
    links = [action["text"] for action in slack["attachments"][0]["actions"]]
    assert links == ["Dashboard", "What to do", "Silence"]
    page = wait_for(lambda: pages(stack, "trigger"), "PagerDuty")[0]
    assert page["payload"]["severity"] == "critical"
    (request, *_) = wait_for(lambda: stack.web.requests("/webhook"), "the webhook")
    assert request.token == "Bearer s3cret"
    if alertmanager_version() >= FIRST_FOR_THE_STACK:
        card = wait_for(lambda: stack.web.at("/teams"), "Teams")[0]["attachments"][0]["content"]["body"]
        assert card[0]["text"].startswith("[CRITICAL] billing-export (production)")
        assert "](http://localhost:3000/d/pipelines-" in card[1]["text"]


def expect_resolved(stack: Stack) -> None:
    mail = critical_mail(stack, "RESOLVED")
    assert ": over after " in mail["Subject"] or "more)" in mail["Subject"]
    assert "#1a7f37" in text_of(mail, "html")
    closed = wait_for(lambda: pages(stack, "resolve"), "PagerDuty")[0]
    assert {page["dedup_key"] for page in pages(stack, "trigger")} == {closed["dedup_key"]}
    assert wait_for(lambda: in_colour(stack, "#1a7f37"), "Slack in green")[0]["attachments"][0][
        "title"
    ].startswith("[RESOLVED] billing-export")


def test_an_owners_alerts_go_to_the_owner_and_the_rest_to_everybody(start_stack: StartStack) -> None:
    stack = start_stack(
        WEBHOOK_URL="{web}/webhook",
        WEBHOOK_URL_DATA_PLATFORM="{web}/platform",
        SLACK_WEBHOOK_URL="{web}/slack",
        SLACK_WEBHOOK_URL_DATA_PLATFORM="off",
    )
    assert post(stack.exporter.url, [declared("lake", "Data Platform"), declared("shop", "sales")]).ok
    for pipeline in ("lake", "shop"):
        seen(stack, pipeline)
        fails(stack, pipeline)
    stack.wait_for_message("lake", "firing", "/platform")
    stack.wait_for_message("shop", "firing")
    wait_for(lambda: any("shop" in str(body) for body in stack.web.at("/slack")), "Slack")
    assert stack.webhook("shop", "/platform") == stack.webhook("lake") == []
    titles = [body["attachments"][0]["title"] for body in stack.web.at("/slack")]
    assert any("shop" in title for title in titles)
    assert not any("lake" in title for title in titles)
