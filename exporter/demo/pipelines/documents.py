"""Documents: a ten-phase analysis of plans, and a graph of twelve stages that reads invoices."""

from __future__ import annotations

from dataclasses import replace

from exporter.demo.error import Error, java_trace, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import argo, universal
from exporter.demo.language_model import EMBEDDING, GEMINI, Prompt, calls
from exporter.demo.pipeline import Fate, Pipeline, Schedule, Trouble
from exporter.demo.stage import Artifact, Stage, chain

READ_TIMEOUT = Error(
    type="ReadTimeout",
    message="HTTPSConnectionPool(host='llm.internal', port=443): Read timed out. (read timeout=7)",
    category="timeout",
    component="llm-gateway",
    trace=python_trace(
        ("/app/pipeline/runner.py", 212, "run_stage", "result = stage.execute(context)"),
        (
            "/app/pipeline/stages/extract.py",
            87,
            "execute",
            "response = self.session.post(url, json=payload, timeout=7)",
        ),
        (
            "/usr/lib/python3.12/site-packages/requests/sessions.py",
            637,
            "post",
            "return self.request('POST', url)",
        ),
        (
            "/usr/lib/python3.12/site-packages/requests/adapters.py",
            713,
            "send",
            "raise ReadTimeout(e, request=request)",
        ),
        name="requests.exceptions.ReadTimeout",
    ),
    context={"url": "https://llm.internal/v1/extract", "timeout_seconds": 7},
)

BAD_TOTAL = Error(
    type="SchemaViolation",
    message="field 'invoice_total' is missing in 14 of 230 records",
    category="data_quality",
    component="validator",
    context={"schema": "invoice-v7", "records": 230, "missing": 14},
)

NO_HEAP = Error(
    type="OutOfMemoryError",
    message="Java heap space: cannot allocate a raster of 21600 x 15400 pixels",
    category="resource",
    component="pdf-renderer",
    severity="critical",
    trace=java_trace(
        "java.desktop/java.awt.image.DataBufferInt.<init>(DataBufferInt.java:75)",
        "java.desktop/java.awt.image.Raster.createPackedRaster(Raster.java:493)",
        "org.apache.pdfbox.rendering.PDFRenderer.renderImage(PDFRenderer.java:312)",
        "example.ingest.PageSplitter.split(PageSplitter.java:88)",
        "example.ingest.Main.main(Main.java:41)",
        name="java.lang.OutOfMemoryError",
    ),
    context={"page": 41, "heap_limit": "2g"},
)

_JSON = "application/json"
_FIELDS = ("invoice_total", "vat_id", "due_date", "iban")

EXTRACT_PROMPT = Prompt(
    template="invoice-extract/v7",
    text=(
        "Read the invoice below and answer with JSON of the schema invoice-v7.\nLanguage: {language}\n"
        "Vendor: {vendor}\n"
    ),
    answer='{{"vendor": "{vendor}", "currency": "EUR", "invoice_total": {total}, "lines": {lines}}}',
    choices={
        "language": ("de", "en", "fr", "es"),
        "vendor": ("Nordwind Logistik", "Acme Paper", "Volta Energie", "Hotel Lindenhof", "Kurz & Sohn"),
        "total": ("1840.25", "219.90", "96.04", "12775.00", "430.50"),
        "lines": ("1", "3", "7", "22"),
    },
    tokens=(1900, 320),
    cached=0.4,
)
EMBED_PROMPT = Prompt("", "{chunks} chunks", "", {"chunks": ("24", "31", "48")}, tokens=(5200, 0))


def _phase(number: int, name: str, *inside: Stage, seconds: float = 3.0) -> Stage:
    code = f"P{number:02d}"
    artifact = Artifact(
        f"{code.lower()}_output.json", f"s3://plans/{{id}}/{code.lower()}_output.json", _JSON, 0.6
    )
    return Stage(
        f"{code} {name}", seconds, kind="phase", items=300, inside=inside, makes=(artifact,), memory=1400
    )


_PHASES = chain(
    _phase(
        0,
        "Document Assembly",
        Stage("PDF Validation", 1.2, kind="sub-phase", items=50, reads=14),
        Stage("Text Extraction", 3.2, kind="sub-phase", items=50, cores=1.8, memory=900),
        Stage("Language Detection", 0.6, kind="sub-phase", items=50),
    ),
    _phase(
        1,
        "Chunking",
        Stage("Segmentation", 1.6, kind="sub-phase", items=300),
        Stage("Policy Area Mapping", 1.8, kind="sub-phase", items=60, cores=0.95),
    ),
    _phase(2, "Question Execution", seconds=12),
    _phase(3, "Scoring", seconds=3),
    _phase(4, "Dimension Aggregation", seconds=2),
    _phase(5, "Area Aggregation", seconds=1.6),
    _phase(6, "Cluster Aggregation", seconds=1.4),
    _phase(7, "Macro Evaluation", seconds=2.2),
    _phase(8, "Recommendations", seconds=3.4),
    _phase(9, "Report", seconds=2.6),
)


def _analysis(execution: Execution) -> Fate:
    warnings = {}
    if execution.random.random() < 0.4:
        pages = execution.random.randint(2, 9)
        warnings["Text Extraction"] = (
            "low_ocr_confidence",
            f"{pages} pages were recognised with less than 60 % confidence",
        )
    if execution.random.random() < 0.25:
        warnings["P03 Scoring"] = ("evidence_missing", "11 of 300 questions were answered without evidence")
    if execution.number % (11 if execution.detailed else 50) == 6:
        return Fate(troubles={"Text Extraction": Trouble(NO_HEAP, at=0.8)}, warnings=warnings)
    return Fate(slow={"P02 Question Execution": 0.7 + 0.6 * execution.volume}, warnings=warnings)


def _analysis_parameters(execution: Execution) -> dict[str, object]:
    place = execution.random.choice(["Bogota", "Medellin", "Cali", "Pasto", "Quibdo"])
    return {
        "document": f"development-plan-{place.lower()}.pdf",
        "pages": round(50 * execution.volume),
        "strict": True,
    }


def _processing(execution: Execution) -> Fate:
    # The gateway has bad minutes live, and a bad hour every other day in history.
    bad = (
        0.25 < execution.simulation.phase(live=900, history=172_800) < (0.55 if execution.detailed else 0.27)
    )
    chance = execution.random.random()
    seen, missing = execution.random.randint(180, 320), execution.random.randint(6, 31)
    incomplete = replace(
        BAD_TOTAL,
        message=f"field '{execution.random.choice(_FIELDS)}' is missing in {missing} of {seen} records",
        context={"schema": "invoice-v7", "records": seen, "missing": missing},
    )
    if chance < (0.55 if bad else 0.05):
        return Fate(slow={"extract": 1.5}, troubles={"extract": Trouble(READ_TIMEOUT, at=0.7)})
    if chance < (0.8 if bad else 0.12):
        return Fate(troubles={"extract": Trouble(READ_TIMEOUT, attempts=1, at=0.7)})
    if chance > 0.97:
        return Fate(troubles={"validate": Trouble(incomplete, at=0.9)})
    return Fate(skips=frozenset({"tables"}) if chance > 0.85 else frozenset())


_GRAPH = (
    Stage("ingest", 1.2, kind="s3 source", items=34, reads=60, says=(("info", "{total} documents"),)),
    Stage("classify", 1.4, ("ingest",), items=34, cores=0.9),
    Stage("ocr", 6.5, ("classify",), kind="gpu", items=34, memory=2800, accelerator=5600, reads=60),
    Stage("layout", 4, ("classify",), kind="gpu", items=34, memory=1900, accelerator=3800),
    Stage("tables", 3, ("classify",), items=34, keeps=0.6, cores=1.7),
    Stage("merge", 0.8, ("ocr", "layout", "tables"), items=34),
    Stage("chunk", 0.6, ("merge",), items=34, keeps=18),
    Stage(
        "embed",
        4.5,
        ("chunk",),
        kind="llm api",
        items=612,
        cores=0.1,
        act=calls(EMBED_PROMPT, EMBEDDING, times=2),
    ),
    Stage(
        "extract",
        7,
        ("chunk",),
        kind="llm api",
        items=34,
        cores=0.1,
        attempts=3,
        retry_after=1.0,
        says=(("debug", "{done} of {total} documents extracted"),) * 3,
    ),
    Stage(
        "validate",
        0.9,
        ("embed", "extract"),
        kind="rules",
        items=34,
        keeps=0.98,
        makes=(
            Artifact("invoices.jsonl", "s3://documents/{id}/invoices.jsonl", "application/x-ndjson", 0.4),
        ),
    ),
    Stage("index", 1.3, ("validate",), kind="opensearch", items=33, writes=6),
    Stage(
        "summarise", 2, ("validate",), kind="llm api", items=33, act=calls(EXTRACT_PROMPT, GEMINI, times=2)
    ),
    Stage("notify", 0.4, ("index", "summarise"), kind="webhook", always=True),
)

PIPELINES = (
    Pipeline(
        name="document-processing",
        thresholds={"success_objective": 0.75},
        kind="documents",
        owner="document-platform",
        description=(
            "Reads incoming invoices: recognises, extracts and validates them, and makes them searchable."
        ),
        labels={"team": "documents", "tier": "1"},
        stages=_GRAPH,
        schedule=Schedule(every=40, grace=30),
        first=5.0,
        history_every=2400,
        overlaps=True,
        queues_stages=True,
        heartbeat=60,
        identifier=argo,
        fate=_processing,
    ),
    Pipeline(
        name="plan-analysis",
        thresholds={"success_objective": 0.75},
        kind="documents",
        owner="policy-research",
        description="Analyses a development plan in ten phases, with sub-phases, on request.",
        labels={"team": "policy-research", "tier": "2"},
        stages=_PHASES,
        arrivals=65,
        trigger="api",
        first=7.0,
        history_every=3600,
        overlaps=True,
        reports_progress=True,
        identifier=universal,
        parameters=_analysis_parameters,
        fate=_analysis,
    ),
)
