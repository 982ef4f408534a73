"""Steps of language models: articles by several providers, and a triage whose provider limits the rate."""

from __future__ import annotations

from exporter.demo.execution import Execution
from exporter.demo.identity import numbered, universal
from exporter.demo.language_model import GEMINI, GPT, GPT_MINI, LLAMA, MISTRAL, QWEN, Prompt, calls
from exporter.demo.pipeline import Fate, Pipeline
from exporter.demo.stage import Artifact, Stage, chain

_PRODUCTS = (
    "cordless drill TX-18",
    "garden hose 25 m",
    "espresso machine Barista Uno",
    "trekking tent Lofoten 3",
)
_LANGUAGES = ("German", "French", "Spanish", "Polish")

OUTLINE = Prompt(
    template="outline/v5",
    text=(
        "You are an editor. Outline a buying guide for the product: {product}.\nReaders: {readers}\n"
        "Five headings, no prose."
    ),
    answer="1. What to look for in a {product}\n2. For {readers}\n3. Care\n4. Alternatives\n5. Our verdict",
    choices={
        "product": _PRODUCTS,
        "readers": ("beginners", "professionals", "people who give it as a present"),
    },
    tokens=(640, 210),
    cached=0.5,
)


def _pasted_catalogue(execution: Execution) -> float:
    """For some minutes live, and an hour a week in history, each prompt carries the whole product catalogue."""
    begin, end = (0.2, 0.55) if execution.detailed else (0.4, 0.406)
    return 190.0 if begin <= execution.simulation.phase(live=900, history=604_800) < end else 1.0


DRAFT = Prompt(
    template="draft/v9",
    text="Write the buying guide for {product} along the outline.\nTone: {tone}. About 700 words.",
    answer="Whoever looks for a {product} today is spoilt for choice. …",
    choices={"product": _PRODUCTS, "tone": ("sober", "friendly", "expert")},
    tokens=(1400, 1150),
    cached=0.3,
    swells=_pasted_catalogue,
)
REVIEW = Prompt(
    template="review/v3",
    text="Check the guide for {product} against its data sheet. Answer with a list of errors, or OK.",
    answer="OK",
    choices={"product": _PRODUCTS},
    tokens=(2900, 140),
    cached=0.6,
)
TRANSLATE = Prompt(
    template="translate/v2",
    text="Translate the guide for {product} to {language}. Keep the headings.",
    answer="[{language}] {product} …",
    choices={"product": _PRODUCTS, "language": _LANGUAGES},
    tokens=(1700, 1350),
)
_QUEUE_OF = {
    "The parcel was due on Tuesday and the tracking still says “in transit”.": "delivery",
    "Only two of the three boxes arrived. The invoice lists all of them.": "delivery",
    "I was charged twice for the same order, once by card and once by direct debit.": "payment",
    "The voucher from the newsletter is refused at the checkout.": "payment",
    "How do I change the delivery address of my account? The old one keeps coming back.": "account",
    "Please delete my data. I have asked before and got no answer.": "account",
    "The app crashes at login since the update, on two phones.": "technical",
    "The instructions for the drill are only in Polish. Where is the English manual?": "technical",
}
_STEP_OF = {
    "delivery": "We have asked the carrier where your parcel is.",
    "payment": "Our accounts department is checking the charge.",
    "account": "We have passed your request on to those who look after customer accounts.",
    "technical": "Could you tell us which version you use?",
}
_TICKETS = tuple(_QUEUE_OF)
REDACT = Prompt(
    template="redact/v1",
    text="Replace names, addresses and card numbers by [removed]. Change nothing else.\n\n{ticket}",
    answer="{ticket}",
    choices={"ticket": _TICKETS},
    tokens=(180, 90),
)
CLASSIFY = Prompt(
    template="triage/v3",
    text=(
        "Choose one queue (delivery, payment, account, technical) for the ticket:\n\n{ticket}\n\n"
        "Answer with its name."
    ),
    answer="{queue}",
    choices={"ticket": _TICKETS},
    follows={"queue": ("ticket", _QUEUE_OF)},
    tokens=(420, 12),
    cached=0.7,
)
CLASSIFY_WITH_EXAMPLES = Prompt(
    template="triage/v4",
    text=(
        "Examples:\n- “Where is my order?” -> delivery\n- “Refund please” -> payment\n\nTicket: {ticket}\n"
        "Queue:"
    ),
    answer="{queue}",
    choices={"ticket": _TICKETS},
    follows={"queue": ("ticket", _QUEUE_OF)},
    tokens=(910, 9),
    cached=0.85,
)
REPLY = Prompt(
    template="reply/v6",
    text="Draft a reply to the ticket below. Be brief, promise nothing.\n\n{ticket}",
    answer="Thank you for your message. {step} We will come back to you within one working day.",
    choices={"ticket": _TICKETS},
    follows={"step": ("ticket", {ticket: _STEP_OF[queue] for ticket, queue in _QUEUE_OF.items()})},
    tokens=(760, 180),
)

_MARKDOWN = "text/markdown"


def _enrichment_parameters(execution: Execution) -> dict[str, object]:
    return {
        "articles": round(4 * execution.volume) or 1,
        "languages": list(_LANGUAGES),
        "style": "guide-2026",
    }


def _triage(execution: Execution) -> Fate:
    if execution.random.random() < 0.06:
        return Fate(nothing_to_do="no new tickets since the last run")
    # Half of the tickets go through each variant of the prompt, to compare them.
    return Fate(skips=frozenset({"classify_v4" if execution.number % 2 else "classify_v3"}))


PIPELINES = (
    Pipeline(
        name="content-enrichment",
        kind="llm",
        owner="content",
        description=(
            "Writes, checks and translates buying guides, each step with the model that does it best."
        ),
        labels={"team": "content", "tier": "3"},
        stages=(
            Stage("load_products", 0.8, kind="sql", items=4),
            Stage(
                "outline", 3, ("load_products",), kind="llm", items=4, act=calls(OUTLINE, GPT_MINI, times=2)
            ),
            Stage("draft", 14, ("outline",), kind="llm", items=4, act=calls(DRAFT, GPT, MISTRAL, times=2)),
            Stage(
                "review", 4, ("draft",), kind="llm", items=4, keeps=0.8, act=calls(REVIEW, GEMINI, times=2)
            ),
            Stage(
                "translate",
                12,
                ("review",),
                kind="llm",
                items=3,
                keeps=4,
                act=calls(TRANSLATE, MISTRAL, GEMINI),
            ),
            Stage(
                "publish",
                1.2,
                ("translate",),
                kind="http",
                items=12,
                makes=(Artifact("guide-{serial}.md", "s3://content/{id}/guide.md", _MARKDOWN, 0.02),),
            ),
        ),
        arrivals=45,
        trigger="api",
        first=6.0,
        history_every=3000,
        overlaps=True,
        reports_progress=True,
        llm_budget_usd=5.0,
        thresholds={"llm_budget_days": 1},
        identifier=universal,
        parameters=_enrichment_parameters,
    ),
    Pipeline(
        name="support-triage",
        thresholds={"success_objective": 0.75},
        kind="llm",
        owner="customer-care",
        description=(
            "Sorts tickets and drafts replies. Its first provider limits the rate; a second one steps in."
        ),
        labels={"team": "customer-care", "tier": "1"},
        stages=(
            *chain(
                Stage("fetch_tickets", 0.7, kind="http", items=6),
                Stage("redact", 3, kind="llm", items=6, act=calls(REDACT, QWEN)),
            ),
            Stage(
                "classify_v3",
                4,
                ("redact",),
                kind="llm",
                items=6,
                attempts=2,
                retry_after=1.8,
                act=calls(CLASSIFY, LLAMA, GPT_MINI, times=5),
            ),
            Stage(
                "classify_v4",
                4,
                ("redact",),
                kind="llm",
                items=6,
                attempts=2,
                retry_after=1.8,
                act=calls(CLASSIFY_WITH_EXAMPLES, LLAMA, times=5),
            ),
            Stage(
                "reply",
                6,
                ("classify_v3", "classify_v4"),
                kind="llm",
                items=6,
                act=calls(REPLY, GPT_MINI, times=3),
            ),
            Stage("store", 0.6, ("reply",), kind="sql", items=6),
        ),
        arrivals=28,
        trigger="event",
        first=4.0,
        history_every=2400,
        overlaps=True,
        llm_budget_usd=1.5,
        identifier=numbered,
        fate=_triage,
    ),
)
