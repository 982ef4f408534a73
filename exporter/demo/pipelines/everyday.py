"""The healthy one, the one that fails several times in a row, the flaky one and the one that gets slower."""

from __future__ import annotations

from exporter.demo.error import Error, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import cron_job, numbered
from exporter.demo.pipeline import Fate, Pipeline, Schedule, Trouble
from exporter.demo.stage import Artifact, Stage, chain

KEY_EXPIRED = Error(
    type="AuthenticationException",
    message=(
        "sftp.partner.example:22: Authentication failed: the server refused key 'billing-2025' (expired "
        "2026-10-31)"
    ),
    category="authorization",
    component="sftp",
    severity="critical",
    trace=python_trace(
        ("/app/billing/export.py", 212, "main", "upload(invoices, settings.partner)"),
        ("/app/billing/upload.py", 57, "upload", "with connect(partner) as sftp:"),
        ("/usr/lib/python3.12/contextlib.py", 137, "__enter__", "return next(self.gen)"),
        (
            "/app/billing/upload.py",
            31,
            "connect",
            "client.connect(host, username=user, pkey=key, timeout=10)",
        ),
        (
            "/usr/lib/python3/dist-packages/paramiko/client.py",
            485,
            "connect",
            "self._auth(username, password, pkey, key_filenames, allow_agent)",
        ),
        name="paramiko.ssh_exception.AuthenticationException",
    ),
    context={"host": "sftp.partner.example", "port": 22, "user": "billing", "key": "billing-2025"},
)

_REQUESTS = "/usr/lib/python3.12/site-packages/requests"

SERVICE_UNAVAILABLE = Error(
    type="HTTPError",
    message="503 Server Error: Service Unavailable for url: https://geocoder.example/v2/batch",
    category="connection",
    component="geocoder",
    severity="warning",
    trace=python_trace(
        ("/app/geocode/stages.py", 88, "resolve", "places = client.batch(addresses)"),
        ("/app/geocode/client.py", 43, "batch", "response.raise_for_status()"),
        (
            f"{_REQUESTS}/models.py",
            1026,
            "raise_for_status",
            "raise HTTPError(http_error_msg, response=self)",
        ),
        name="requests.exceptions.HTTPError",
    ),
    context={"url": "https://geocoder.example/v2/batch", "http_status": 503, "batch_size": 500},
)

SLOW_ANSWER = Error(
    type="ReadTimeout",
    message="HTTPSConnectionPool(host='geocoder.example', port=443): Read timed out. (read timeout=2)",
    category="timeout",
    component="geocoder",
    severity="warning",
    trace=python_trace(
        ("/app/geocode/stages.py", 88, "resolve", "places = client.batch(addresses)"),
        (
            "/app/geocode/client.py",
            41,
            "batch",
            "response = self.session.post(self.url, json=body, timeout=2)",
        ),
        (f"{_REQUESTS}/sessions.py", 637, "post", "return self.request('POST', url, data=data, json=json)"),
        (f"{_REQUESTS}/adapters.py", 713, "send", "raise ReadTimeout(e, request=request)"),
        name="requests.exceptions.ReadTimeout",
    ),
    context={"url": "https://geocoder.example/v2/batch", "timeout_seconds": 2, "batch_size": 500},
)

HALF_AN_ANSWER = Error(
    type="JSONDecodeError",
    message="Unterminated string starting at: line 1 column 65529 (char 65528)",
    category="serialization",
    component="geocoder",
    severity="warning",
    trace=python_trace(
        ("/app/geocode/stages.py", 88, "resolve", "places = client.batch(addresses)"),
        ("/app/geocode/client.py", 44, "batch", "return [Place(**row) for row in response.json()]"),
        (f"{_REQUESTS}/models.py", 978, "json", "raise RequestsJSONDecodeError(e.msg, e.doc, e.pos)"),
        name="requests.exceptions.JSONDecodeError",
    ),
    context={"url": "https://geocoder.example/v2/batch", "content_length": 65_536},
)

SEARCH_TIMEOUT = Error(
    type="ConnectionTimeout",
    message=(
        "ConnectionTimeout caused by ReadTimeoutError(host='search-3.internal', port=9200, read timeout=60)"
    ),
    category="timeout",
    component="opensearch",
    context={"index": "catalog-v12", "node": "search-3.internal"},
)


def _billing(execution: Execution) -> Fate:
    # Many failures in a row, until somebody renews the key. In history that is rare, and somebody sees it sooner.
    cycle, failing = (40, 12) if execution.detailed else (160, 4)
    if execution.number % cycle < failing:
        return Fate(troubles={"upload": Trouble(KEY_EXPIRED.within(serial=execution.serial), at=0.4)})
    return Fate()


def _geocode(execution: Execution) -> Fate:
    chance = execution.random.random()
    what = execution.random.choices((SERVICE_UNAVAILABLE, SLOW_ANSWER, HALF_AN_ANSWER), (6, 3, 1))[0]
    if chance < 0.62:
        attempts = 1 if chance < 0.4 else 2
        return Fate(troubles={"resolve": Trouble(what, attempts=attempts, at=0.35)})
    if chance < 0.66:
        return Fate(troubles={"resolve": Trouble(what, at=0.35)})
    return Fate()


def _catalog(execution: Execution) -> Fate:
    # Once merging stopped in the background, every run leaves segments behind that the next one has to merge,
    # until somebody forces a merge. In history that has not happened.
    turn = execution.number % 60 if execution.detailed else 0
    burden = 1 + 0.03 * turn if turn < 3 else 2.4 + 0.06 * turn
    warnings = {}
    if burden > 2.7:
        text = (
            f"index catalog-v12 has {round(40 * burden)} segments, merging takes {burden:.1f} times the usual"
        )
        warnings["merge_segments"] = ("too_many_segments", text)
    troubles = {"merge_segments": Trouble(SEARCH_TIMEOUT, attempts=1)} if burden > 4.6 else {}
    return Fate(
        slow={"merge_segments": burden, "index": 1 + (burden - 1) / 4}, warnings=warnings, troubles=troubles
    )


GEOCODE_STAGES = chain(
    Stage(
        "load_addresses",
        1.5,
        kind="sql",
        items=1200,
        reads=8,
        says=(("info", "{total} addresses without place"),),
    ),
    Stage(
        "resolve",
        7,
        kind="http",
        items=1200,
        keeps=0.97,
        cores=0.2,
        attempts=3,
        says=(("debug", "{done} of {total} resolved"), ("debug", "{done} of {total} resolved")),
    ),
    Stage("store_places", 1.8, kind="sql", items=1164, writes=3),
)

PIPELINES = (
    Pipeline(
        name="metrics-rollup",
        owner="platform",
        description="Rolls raw request metrics up to one row a minute. Quick and dependable.",
        labels={"team": "platform", "tier": "1"},
        stages=chain(
            Stage("select", 1.2, kind="sql", items=48_000, reads=24),
            Stage("aggregate", 2.6, kind="sql", items=48_000, keeps=0.012, cores=1.7, memory=610),
            Stage("store", 0.8, kind="sql", items=576, writes=0.4),
        ),
        schedule=Schedule(every=20, grace=10),
        first=1.0,
        history_every=1200,
        identifier=cron_job,
        heartbeat=30,
    ),
    Pipeline(
        name="billing-export",
        owner="finance-systems",
        description="Rates metered usage as it comes in and uploads invoices to the billing partner by SFTP.",
        labels={"team": "finance", "tier": "1", "data": "confidential"},
        stages=chain(
            Stage(
                "collect_usage",
                3,
                kind="sql",
                items=5200,
                reads=60,
                says=(("info", "usage of {total} accounts"),),
            ),
            Stage(
                "rate", 5, items=5200, keeps=0.91, cores=0.95, says=(("debug", "rated {done} of {total}"),)
            ),
            Stage(
                "render_invoices",
                4,
                items=4730,
                memory=480,
                writes=90,
                makes=(
                    Artifact("invoices.zip", "s3://billing-exports/{id}/invoices.zip", "application/zip", 86),
                ),
            ),
            Stage("upload", 5, kind="sftp", items=4730, cores=0.1, says=(("info", "connecting to partner"),)),
        ),
        schedule=Schedule(every=45, timezone="Europe/Berlin", grace=20),
        first=2.0,
        reports_progress=True,
        identifier=numbered,
        fate=_billing,
    ),
    Pipeline(
        name="geocode-addresses",
        owner="data-products",
        description="Finds places for new addresses through an outside service that is often overloaded.",
        labels={"team": "data-products", "tier": "2"},
        stages=GEOCODE_STAGES,
        schedule=Schedule(every=30),
        first=6.0,
        history_every=1500,
        fate=_geocode,
    ),
    Pipeline(
        name="geocode-addresses",
        environment="staging",
        owner="data-products",
        description="The same against the service's sandbox.",
        labels={"team": "data-products", "tier": "3"},
        stages=GEOCODE_STAGES,
        schedule=Schedule(every=75, grace=30),
        first=14.0,
        history_every=3600,
    ),
    Pipeline(
        name="catalog-search-index",
        owner="search",
        description=(
            "Indexes changed products. Gets slower once segments are no longer merged in the background."
        ),
        labels={"team": "search", "tier": "2"},
        stages=chain(
            Stage("changed_products", 1.4, kind="sql", items=3400, reads=12),
            Stage("render", 2.2, items=3400, cores=1.8),
            Stage("index", 4, kind="opensearch", items=3400, keeps=0.999, cores=0.4, writes=40),
            Stage("merge_segments", 4, kind="opensearch", cores=0.1, attempts=2, spread=0.1),
            Stage("swap_alias", 0.5, kind="opensearch"),
        ),
        schedule=Schedule(every=45, grace=30),
        first=9.0,
        identifier=numbered,
        fate=_catalog,
    ),
)
