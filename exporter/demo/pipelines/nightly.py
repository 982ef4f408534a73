"""What runs once a night, for most of an hour: in history, and live only for whoever is up at half past two."""

from __future__ import annotations

from exporter.demo.error import Error, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import airflow
from exporter.demo.pipeline import Fate, Pipeline, Trouble, daily
from exporter.demo.stage import Artifact, Stage

_MINUTE = 60.0

PRINTER_BUSY = Error(
    type="ServiceUnavailable",
    message="503 from print-partner.example: letter shop is closed for maintenance until 04:00",
    category="connection",
    component="print-partner",
    severity="warning",
    trace=python_trace(
        ("/opt/airflow/dags/billing/letters.py", 92, "hand_over", "receipt = partner.submit(batch)"),
        ("/opt/airflow/dags/billing/partner.py", 58, "submit", "raise ServiceUnavailable(answer.reason)"),
        name="billing.partner.ServiceUnavailable",
    ),
    context={"letters": 412, "partner": "print-partner.example", "http_status": 503},
)

UNBALANCED = Error(
    type="LedgerUnbalanced",
    message="debits and credits differ by 0.03 EUR over 48,211 postings; nothing was booked",
    category="data_quality",
    component="ledger",
    severity="critical",
    trace=python_trace(
        ("/opt/airflow/dags/billing/book.py", 130, "book", "ledger.post(postings, strict=True)"),
        ("/opt/airflow/dags/billing/ledger.py", 77, "post", "raise LedgerUnbalanced(self._difference())"),
        name="billing.ledger.LedgerUnbalanced",
    ),
    context={"postings": 48_211, "difference_eur": 0.03, "period": "daily"},
)


def _billing(execution: Execution) -> Fate:
    night = execution.number % 7
    if night == 2:
        return Fate(troubles={"book_ledger": Trouble(UNBALANCED, at=0.9)})
    if night == 5:
        return Fate(troubles={"hand_over_letters": Trouble(PRINTER_BUSY, attempts=1, at=0.2)})
    return Fate(slowness=1.0 + 0.35 * (execution.due.day == 1))


def _parameters(execution: Execution) -> dict[str, object]:
    return {
        "logical_date": execution.due.isoformat(),
        "billing_day": execution.due.date().isoformat(),
        "currency": "EUR",
        "dry_run": False,
    }


PIPELINES = (
    Pipeline(
        name="nightly-billing",
        kind="etl",
        owner="finance-systems",
        description=(
            "Rates the day's contracts, renders invoices and books them, every night at 02:30 in Berlin. "
            "Some 35 minutes."
        ),
        labels={"team": "finance", "tier": "1", "orchestrator": "airflow", "data": "confidential"},
        stages=(
            Stage("close_day", 2 * _MINUTE, kind="sql", items=61_000, reads=240),
            Stage(
                "rate_contracts",
                11 * _MINUTE,
                ("close_day",),
                kind="spark",
                items=15_250,
                cores=3.4,
                memory=6200,
                reads=900,
                instances=("dach", "benelux", "nordics", "iberia"),
            ),
            Stage(
                "render_invoices",
                8 * _MINUTE,
                ("rate_contracts",),
                items=48_000,
                cores=2.6,
                memory=1900,
                writes=2600,
                makes=(
                    Artifact("invoices.tar", "s3://billing/{id}/invoices.tar", "application/x-tar", 2400),
                ),
            ),
            Stage("book_ledger", 6 * _MINUTE, ("rate_contracts",), kind="sql", items=48_000, writes=60),
            Stage(
                "hand_over_letters",
                4 * _MINUTE,
                ("render_invoices",),
                kind="http",
                items=412,
                attempts=3,
                retry_after=5 * _MINUTE,
            ),
            Stage("send_mails", 7 * _MINUTE, ("render_invoices",), kind="smtp", items=47_600, cores=0.2),
            Stage(
                "reconcile",
                3 * _MINUTE,
                ("book_ledger", "hand_over_letters", "send_mails"),
                kind="sql",
                items=48_000,
            ),
        ),
        schedule=daily(2, 30, "Europe/Berlin", grace=900),
        history_every=86_400,
        longest=3 * 3600,
        queues_stages=True,
        heartbeat=300,
        reports_progress=True,
        identifier=airflow,
        parameters=_parameters,
        fate=_billing,
    ),
)
