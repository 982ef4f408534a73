"""The pages in a real browser: what a person sees, with and without scripts, wide and narrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.exporter import Exporter, StartExporter
from tests.support.load import post
from tests.support.tools import tool

HOSTILE = "<script>document.title='taken'</script>"
TRACE = 'Traceback (most recent call last):\n  File "load.py", line 3\nKeyError: <b>customer</b>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def exporter(sqlite_url: str, start_exporter: StartExporter) -> Exporter:
    return start_exporter(database=sqlite_url)


@contextmanager
def watched(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page on which nothing goes wrong: no message on the console, no request to anybody else."""
    context = browser.new_context(base_url=url, **options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on(
        "request",
        lambda request: None if request.url.startswith((url, "data:")) else wrong.append(request.url),
    )
    yield page
    context.close()
    assert wrong == []


def cloud_event(type_: str, seconds_ago: float, **data: object) -> dict[str, Any]:
    time = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    return {
        "specversion": "1.0",
        "id": f"{type_}-{data.get('execution')}-{data.get('stage')}-{seconds_ago}",
        "source": "browser",
        "type": f"pipeline.{type_}",
        "time": time,
        "data": data,
    }


def failed(pipeline: str, run: str, seconds_ago: float = 60, **more: Any) -> list[dict[str, Any]]:
    """An execution whose stage failed after another was retried."""
    who = {"pipeline": pipeline, "execution": run}
    error = {"type": "KeyError", "message": "KeyError: <b>customer</b>\nand more", "stacktrace": TRACE}
    return [
        cloud_event("execution.started", seconds_ago, **who, **more),
        cloud_event("stage.started", seconds_ago, **who, stage="extract"),
        cloud_event("stage.finished", seconds_ago - 5, **who, stage="extract", status="failed", retry=True),
        cloud_event("stage.started", seconds_ago - 6, **who, stage="extract", attempt=2),
        cloud_event("stage.finished", seconds_ago - 9, **who, stage="extract", attempt=2, status="succeeded"),
        cloud_event("stage.started", seconds_ago - 10, **who, stage="load"),
        cloud_event("stage.finished", seconds_ago - 20, **who, stage="load", status="failed", error=error),
        cloud_event("execution.finished", seconds_ago - 21, **who, status="failed"),
    ]


def running(pipeline: str, run: str) -> list[dict[str, Any]]:
    who = {"pipeline": pipeline, "execution": run}
    return [
        cloud_event("execution.started", 90, **who),
        cloud_event("stage.started", 80, **who, stage="transform"),
        cloud_event("execution.progressed", 1, **who, progress=0.42),
    ]


def test_an_empty_server_says_how_to_begin(browser: Browser, exporter: Exporter) -> None:
    with watched(browser, exporter.url) as page:
        page.goto("/")
        expect(page.get_by_text("Nothing has been sent yet.")).to_be_visible()
        shown = page.locator("pre").first
        expect(shown).to_be_visible()
        expect(shown).to_contain_text(f"curl {exporter.url}/api/v1/events")
        page.get_by_text("scrape the metrics").click()
        expect(page.get_by_text(f'targets: ["{exporter.url[7:]}"]')).to_be_visible()


def test_what_runs_and_what_failed_is_seen_and_leads_on(browser: Browser, exporter: Exporter) -> None:
    post(exporter.url, [*running("imaging", "mosaic-7"), *failed("orders", "o-1")])
    with watched(browser, exporter.url) as page:
        page.goto("/")
        card = page.locator(".card", has_text="imaging")
        expect(card).to_contain_text("transform")
        expect(card).to_contain_text("42 %")
        expect(card.get_by_role("progressbar")).to_have_attribute("value", "0.42")
        expect(page.locator("header")).to_contain_text("1 of 2 failing")
        page.locator(".failure", has_text="orders").click()
        expect(page).to_have_url(re.compile("/executions/[0-9a-f]{32}$"))
        expect(page.get_by_role("heading", name="orders")).to_be_visible()
        error = page.locator(".error").first
        expect(error).to_contain_text("KeyError")
        expect(error).to_contain_text('File "load.py", line 3')
        expect(error).to_contain_text("<b>customer</b>")
        page.locator(".g-stage", has_text="extract").locator("summary").click()
        expect(page.get_by_role("row", name="2 succeeded")).to_be_visible()
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Executions").click()
        expect(page.get_by_role("row")).to_have_count(3)


def test_the_page_follows_without_being_reloaded(browser: Browser, exporter: Exporter) -> None:
    with watched(browser, exporter.url) as page:
        page.goto("/")
        page.evaluate("window.same = true")
        post(exporter.url, running("imaging", "mosaic-7"))
        expect(page.locator(".card")).to_contain_text("mosaic-7", timeout=15_000)
        assert page.evaluate("window.same")
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")


def test_it_works_without_scripts(browser: Browser, exporter: Exporter) -> None:
    post(exporter.url, [*running("imaging", "mosaic-7"), *failed("orders", "o-1")])
    with watched(browser, exporter.url, java_script_enabled=False) as page:
        page.goto("/")
        assert 'http-equiv="refresh"' in page.content()
        page.get_by_text("one event from anywhere").click()
        expect(page.locator("pre").first).to_be_visible()
        page.goto("/executions")
        page.get_by_label("Status").select_option("failed")
        page.get_by_label("Search").fill("customer")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("row")).to_have_count(2)
        expect(page.get_by_role("row").last).to_contain_text("orders")


def test_names_and_links_from_outside_do_nothing(browser: Browser, exporter: Exporter) -> None:
    more: dict[str, Any] = {
        "link": "javascript:document.title='taken'",
        "labels": {HOSTILE: HOSTILE},
        "kind": HOSTILE,
    }
    post(exporter.url, failed(HOSTILE, '"><img src=x onerror=alert(1)>', **more))
    with watched(browser, exporter.url) as page:
        for path in ("/", "/executions", f"/executions?q={HOSTILE}&pipeline={HOSTILE}"):
            page.goto(path)
            expect(page.get_by_text(HOSTILE).first).to_be_visible()
        page.locator("a", has_text=HOSTILE).first.click()
        expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
        assert "taken" not in page.title().split("·")[-1]
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("main script, main img").count() == 0


def test_nothing_sticks_out_at_any_width(browser: Browser, exporter: Exporter) -> None:
    long = "a_rather_long_name_of_a_pipeline_without_any_place_to_break_it_" * 2
    post(exporter.url, [*running(long, "r" * 120), *failed("orders", "o-1"), *failed(long, "f" * 120, 200)])
    (last,) = requests.get(
        f"{exporter.url}/api/pipeline/executions?sort=started_at&limit=1", timeout=30
    ).json()["executions"]
    for width in (400, 760, 1100, 1600):
        with watched(browser, exporter.url, viewport={"width": width, "height": 900}) as page:
            for path in (
                "/",
                "/executions",
                f"/executions/{last['id']}",
                "/runbooks",
                "/runbooks/executions.md",
            ):
                page.goto(path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, path)


def test_the_link_of_an_alert_opens_at_its_runbook(browser: Browser, exporter: Exporter) -> None:
    for width in (400, 1280):
        with watched(browser, exporter.url, viewport={"width": width, "height": 700}) as page:
            page.goto("/runbooks/executions.md#pipelinestuck")
            heading = page.get_by_role("heading", name="PipelineStuck")
            expect(heading).to_be_in_viewport(ratio=1)
            box, header = heading.bounding_box(), page.locator("header").bounding_box()
            assert box is not None
            assert header is not None
            assert box["y"] >= header["y"] + header["height"], "the header hides it"
            page.get_by_role("link", name="Runbooks").first.click()
            expect(page).to_have_url(f"{exporter.url}/runbooks")
            page.get_by_role("link", name="PipelineStreamLagging").click()
            expect(page.get_by_role("heading", name="PipelineStreamLagging")).to_be_in_viewport()


def test_an_execution_that_is_gone_is_said_to_be_gone(browser: Browser, exporter: Exporter) -> None:
    with watched(browser, exporter.url) as page:
        answer = page.request.get(f"{exporter.url}/executions/{'0' * 32}")
        assert answer.status == 404
        assert "retention" in answer.text()


def test_the_api_can_be_read_and_tried_without_the_internet(browser: Browser, exporter: Exporter) -> None:
    assert post(exporter.url, failed("orders", "r1")).ok
    with watched(browser, exporter.url) as page:
        page.goto("/docs")
        page.get_by_role("button", name="GET /api/v1/pipelines Pipelines by environment and name").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table")).to_contain_text("orders")
