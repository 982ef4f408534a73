"""What README.md and docs/ say, held against the code."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from starlette.routing import Route

import alerting.__main__ as alerting_command
from exporter.catalogue import CATALOGUE, Kind, Scope
from exporter.catalogue.document import DOCUMENTS, refreshed
from exporter.catalogue.own import OWN
from exporter.cli import dashboards, rules, run, sources
from exporter.client import context
from exporter.client import settings as client_settings
from exporter.demo import command as demo
from exporter.domain.lifecycle import MOST_MARKS
from exporter.exposition.own import SHARED, OwnMetrics
from exporter.ingest import cloudevents
from exporter.ingest.otlp import Reader
from exporter.settings import SETTINGS, settings
from exporter.store import Store, keeper, retention, state, work, writer
from exporter.store.engine import BUSY_SECONDS, POOL_SIZE, open_engine
from exporter.store.limits import CAPS, EDGE_CAP, LINES, PART_CAP, Limits
from exporter.web import bodies, problems
from exporter.web.app import create_app
from tests.support.documents import ADDRESS, NAMES, TEXTS, blocks, of_kind, table
from tests.support.paths import REPOSITORY
from tests.support.stack import resolved, services
from tests.support.tools import tool

# Generated parts


@pytest.mark.parametrize("name", DOCUMENTS)
def test_generated_parts_are_fresh(name: str) -> None:
    assert refreshed(TEXTS[name]) == TEXTS[name], "run `make docs`"


def test_every_document_is_linked_to_from_the_readme() -> None:
    assert set(NAMES) - {"README.md"} <= set(re.findall(r"\]\((docs/[\w-]+\.md)", TEXTS["README.md"]))


# Links


def anchors(text: str) -> set[str]:
    """Anchors of headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (REPOSITORY / name).parent / file if file else REPOSITORY / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_project_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`((?:exporter|tests|docs|scripts|bench)/[\w/.-]+)`", TEXTS[name])
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


# Metrics and queries


def sample_names() -> dict[str, tuple[str, ...]]:
    """Labels of every sample by its name."""
    found = {}
    for metric in CATALOGUE:
        found[metric.name] = metric.labels
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{metric.name}_{part}": metric.labels for part in ("count", "sum")}
            found[f"{metric.name}_bucket"] = (*metric.labels, "le")
    return found


SAMPLES = sample_names()
NO_METRICS = {"pipeline_exporter", "pipeline_id", "pipeline_stages", "pipeline_ex"}


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_named_exists(name: str) -> None:
    named = set(re.findall(r"\b(?:pipeline|gen_ai_client)_\w+\b", TEXTS[name]))
    assert named - set(SAMPLES) - NO_METRICS == set()


@pytest.mark.parametrize("query", [block.text for block in of_kind("promql")])
def test_queries_name_labels_that_their_metrics_have(query: str) -> None:
    named = [name for name in re.findall(r"\b[a-z_]+\b", query) if name in SAMPLES]
    has = {label for name in named for label in SAMPLES[name]} | {"instance", "job"}
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    grouped = re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", query)
    assert matched <= has
    assert {label.strip() for labels in grouped for label in labels.split(",")} <= has


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query:{n}", "expr": block.text} for n, block in enumerate(of_kind("promql"))]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_reads_every_configuration(tmp_path: Path) -> None:
    newer = "    convert_classic_histograms_to_nhcb: true\n"  # Debian 12 has Prometheus 2
    configurations = [block.text for block in of_kind("yaml") if "scrape_configs:" in block.text]
    assert configurations
    for text in configurations:
        file = tmp_path / "prometheus.yml"
        file.write_text(text.replace(newer, ""))
        checked = subprocess.run(
            [tool("promtool"), "check", "config", file], capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        (job,) = yaml.safe_load(text)["scrape_configs"]
        assert job["static_configs"] == [{"targets": [ADDRESS.removeprefix("http://")]}]


def test_the_limits_of_metrics_are_those_of_the_store() -> None:
    rows = table("docs/metrics.md", "of", "components", "series each, at least")
    assert {of.strip("`"): (int(most), int(lines)) for of, most, lines in rows} == {
        scope.value: (CAPS[scope], LINES[scope]) for scope in CAPS
    }


def test_what_is_said_of_own_metrics_is_complete() -> None:
    rows = table("docs/operations.md", "metric", "of", "what to make of it")
    assert {name.strip("`"): of for name, of, _ in rows} == {
        metric.name: "all" if metric in SHARED else "one" for metric in OWN
    }


# Numbers in prose

CAP = LINES[Scope.PIPELINE], LINES[Scope.STAGE], LINES[Scope.STREAM], LINES[Scope.MODEL]
NUMBERS = {
    "docs/metrics.md": [
        f"and {EDGE_CAP} edges",
        f"takes {LINES[Scope.PIPELINE]}.",
        f"at most {PART_CAP} operations and a model at most {PART_CAP} types",
        f"up to {state.SUCCESSES} of a pipeline, up to {state.STAGE_SUCCESSES} of a stage",
        f"`--series-limit` ({Limits().series})",
    ],
    "docs/events.md": [
        f"at most {cloudevents.MOST_EVENTS} events and {bodies.MOST_BYTES >> 20} MiB",
        f"one event at most {cloudevents.MOST_BYTES} bytes",
        f"at least {retention.REPEATS.days} days",
        f"up to {cloudevents.MOST_ERRORS} of them",
        f"`Retry-After: {problems.RETRY_AFTER}`",
    ],
    "docs/architecture.md": [
        f"up to {writer.GROUP} events",
        f"every {keeper.INTERVAL:.0f} seconds",
        f"longer than {keeper.AWAY // 1_000_000} seconds, the exporter was away",
        f"and of the {keeper.BACK // 1_000_000} seconds after it",
        f"At most {MOST_MARKS} marks",
        f"last {state.RECENT} ends, the last {state.SUCCESSES} successes ({state.STAGE_SUCCESSES} of a stage)",
        f"and the last {state.STARTS} starts",
        f"{retention.STEP} in one transaction",
        f"at least {retention.REPEATS.days} days",
        f"{bodies.MOST_IN_FLIGHT >> 20} MiB | 503",
        f"{bodies.SLOWEST:.0f} s | 400",
        f"{cloudevents.MOST_EVENTS}; {cloudevents.MOST_BYTES} bytes | 413",
        f"{work.MOST_CACHED} | the cache",
        f"{2 * POOL_SIZE} | wait {BUSY_SECONDS} s",
    ],
    "docs/operations.md": [
        f"up to {2 * POOL_SIZE} connections",
        f"waits {BUSY_SECONDS} seconds for a lock",
        f"away after {keeper.AWAY // 1_000_000} seconds, and until {keeper.BACK // 1_000_000} seconds after",
        f"up to {writer.GROUP} events",
        "a pipeline takes {}, a stage {}, a stream {}, a model {}, at least".format(*CAP),
        f"about {round(100 * (CAP[0] + 10 * CAP[1]), -3)} series",
    ],
}


@pytest.mark.parametrize(("name", "said"), [(name, said) for name in NUMBERS for said in NUMBERS[name]])
def test_numbers_are_those_of_the_code(name: str, said: str) -> None:
    assert said in " ".join(TEXTS[name].split())


# Settings and commands


def of_commands() -> set[str]:
    """Options of commands whose documents are checked, and of the module that writes the rules."""
    modules = (dashboards, rules, run, sources, alerting_command)
    texts = [Path(str(module.__file__)).read_text() for module in modules]
    return set(re.findall(r'"--([a-z-]+)"', "".join(texts))) | set(dashboards.SOURCES)


@pytest.mark.parametrize("name", NAMES)
def test_options_and_variables_named_exist(name: str) -> None:
    of_others = {"enable-feature", "web", "profile"}  # Prometheus' and Docker's
    of_demo = {"url", "speed", "seed", "backfill", "resume", "history-only"}
    assert all(f'"--{option}"' in Path(demo.__file__).read_text(encoding="utf-8") for option in of_demo)
    options = set(re.findall(r"`--([a-z-]+)", TEXTS[name]))
    assert (
        options <= {setting.name for setting in SETTINGS} | {"config"} | of_demo | of_others | of_commands()
    )
    variables = set(re.findall(r"PIPELINE_EXPORTER_[A-Z_]+", TEXTS[name]))
    client = "".join(Path(str(module.__file__)).read_text() for module in (client_settings, context))
    ours = {"PIPELINE_EXPORTER_CONFIG", *re.findall(r'"(PIPELINE_EXPORTER_[A-Z_]+)"', client)}
    assert variables <= {setting.variable for setting in SETTINGS} | ours


@pytest.mark.parametrize("name", NAMES)
def test_the_exporter_is_where_it_listens_by_default(name: str) -> None:
    defaults = settings({}, {})
    assert "http://{}:{}".format(*defaults.listen) == ADDRESS
    ports = {port for each in services().values() for port in each.get("ports", ())}
    stack = {f"http://{resolved(port, {}).rpartition(':')[0]}" for port in ports}
    assert ADDRESS in stack
    assert set(re.findall(r"http://127\.0\.0\.1:\d+", TEXTS[name])) <= stack


def test_the_configuration_file_of_operations_is_understood(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks("docs/operations.md") if block.kind == "yaml"]
    file = tmp_path / "exporter.yml"
    file.write_text(text)
    assert settings({}, {}, str(file)).listen == ("0.0.0.0", 9877)


def test_the_systemd_unit_starts_the_command_with_variables_that_exist() -> None:
    (unit,) = [block.text for block in blocks("docs/operations.md") if block.kind == "ini"]
    assert re.findall(r"^ExecStart=\S+/pipeline-exporter serve$", unit, re.MULTILINE)
    given = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
    assert settings({}, given).database.startswith("sqlite:////var/lib/pipeline-exporter/")


def log_lines() -> set[str]:
    """Messages of all log lines of the server."""
    found = set()
    for path in (REPOSITORY / "exporter").rglob("*.py"):
        if "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("log"), attr=level),
                    args=[ast.Constant(str(message)), *_],
                ):
                    found.add(f"{message} {level}")
    return found


def test_every_log_line_is_explained() -> None:
    rows = table("docs/operations.md", "line", "level", "means", "to do")
    assert {f"{line.strip('`')} {level}" for line, level, *_ in rows} == log_lines()


# API


@cache
def paths() -> frozenset[str]:
    """Paths of all routes, OpenAPI's and those that it leaves out."""
    store = Store(open_engine("sqlite:////nowhere.db"), Limits())
    app = create_app(settings({}, {}), store, OwnMetrics(process=False), Reader())
    documented = set(app.openapi()["paths"])
    return frozenset(documented | {route.path for route in app.routes if isinstance(route, Route)})


def known(path: str) -> bool:
    """Whether a path is one of the routes; what stands in braces, or is a variable, may be anything."""
    pattern = re.sub(r"\\?\{\w+\\?\}|\\?\$\w+", "[^/]+", re.escape(path))
    return any(
        route.startswith(f"{path}/")
        or re.fullmatch(pattern, route)
        or re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)
        for route in paths()
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_path_named_is_answered(name: str) -> None:
    named = re.findall(rf"(?:{ADDRESS}|`|GET |POST )(/[\w/{{}}$-]*)", TEXTS[name])
    own = {
        path
        for path in named
        if re.match(r"/(api|metrics|healthz|readyz|docs|jaeger|report|diagram)\b", path)
    }
    assert [path for path in sorted(own) if not known(path.rstrip("/"))] == []


def test_configuration_of_clients_can_be_read() -> None:
    (airflow,) = [text for block in of_kind("sh config") if "AIRFLOW" in (text := block.text)]
    _, variable = shlex.split(airflow)
    assert json.loads(variable.partition("=")[2]) == {
        "type": "http",
        "url": ADDRESS,
        "endpoint": "api/v1/lineage",
    }
    (transport,) = [yaml.safe_load(block.text) for block in of_kind("yaml") if "transport:" in block.text]
    assert transport == {"transport": {"type": "http", "url": ADDRESS, "endpoint": "api/v1/lineage"}}
    assert known("/api/v1/lineage")
