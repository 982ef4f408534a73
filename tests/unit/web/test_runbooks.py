"""Markdown of runbooks as pages."""

from __future__ import annotations

import pytest

from exporter.web.pages.runbooks import Section, runbook

SERVED = {"executions.md", "streams.md"}


def body(text: str) -> str:
    return runbook("executions.md", f"# Title\n\n{text}", SERVED).body


def test_the_title_stands_apart_from_what_is_below_it() -> None:
    found = runbook("executions.md", "# Runbooks: `executions`\n\nText.\n", SERVED)
    assert found.title == "Runbooks: executions"
    assert found.body == "<p>Text.</p>\n"


@pytest.mark.parametrize("text", ["", "Text.\n", "## Not the title\n"])
def test_a_document_without_a_title_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"executions\.md: expected a title"):
        runbook("executions.md", text, SERVED)


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    headings = "## PipelineFailed\n## What, then: `a_b`-c?\n## Twice\n## Twice\n## Twice\n"
    found = runbook("executions.md", f"# Title\n{headings}", SERVED)
    anchors = ["pipelinefailed", "what-then-a_b-c", "twice", "twice-1", "twice-2"]
    assert [section.anchor for section in found.sections] == anchors
    assert found.sections[1] == Section("What, then: a_b-c?", "what-then-a_b-c")
    assert [f'<h2 id="{anchor}">' in found.body for anchor in anchors] == [True] * 5


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "## <svg onload=alert(1)>", "<!-- x"],
)
def test_raw_html_is_shown_and_does_nothing(hostile: str) -> None:
    shown = body(hostile)
    assert "&lt;" in shown
    assert not any(tag in shown for tag in ("<script", "<img", "<svg", "<!--"))


@pytest.mark.parametrize(
    "scheme", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x"]
)
def test_no_link_runs_a_script(scheme: str) -> None:
    assert "href" not in body(f"[click]({scheme})")


def test_links_to_other_runbooks_and_sections_stay_as_they_are() -> None:
    assert '<a href="streams.md#lag">lag</a>' in body("See [lag](streams.md#lag).")
    assert '<a href="#below">below</a>' in body("See [below](#below).")


def test_a_link_to_a_document_without_a_page_says_where_it_is() -> None:
    assert body("See [the **limits**](../metrics.md#limits), now.") == (
        "<p>See the <strong>limits</strong> (docs/metrics.md), now.</p>\n"
    )
    assert body("[a](../../README.md) [b](gone.md) [c](streams.md)") == (
        '<p>a (README.md) b (docs/runbooks/gone.md) <a href="streams.md">c</a></p>\n'
    )


def test_a_link_to_the_web_tells_nobody_where_it_was_found() -> None:
    link = '<a href="https://prometheus.io/docs" rel="noreferrer noopener">docs</a>'
    assert link in body("[docs](https://prometheus.io/docs)")
