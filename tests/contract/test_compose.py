"""docker-compose.yml and .env.example: what holds for every service, and that both say the same."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from alerting.alertmanager.settings import VARIABLES
from exporter.settings import PREFIX, SETTINGS, settings
from tests.support.paths import REPOSITORY
from tests.support.stack import FILE, compose, lasting, mounts, one_shots, resolved, services, variables

TEXT = FILE.read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY")

every_service = pytest.mark.parametrize("name", sorted(services()))


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


# Images


@every_service
def test_an_image_is_pinned_to_a_patch_release(name: str) -> None:
    image, _, tag = services()[name]["image"].partition(":")
    assert re.match(r"v?\d+\.\d+(\.\d+)?(-|$)", tag), f"{image}:{tag}"


def test_the_image_of_the_exporter_has_the_version_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = {each["image"] for each in services().values() if each["image"].startswith("pipeline-exporter:")}
    assert images == {f"pipeline-exporter:{project['version']}"}


def test_one_image_is_built_and_by_one_service() -> None:
    assert [name for name, each in services().items() if "build" in each] == ["exporter"]


def test_every_service_with_postgresql_has_the_same() -> None:
    assert len({each["image"] for each in services().values() if each["image"].startswith("postgres:")}) == 1


# Confinement


@every_service
def test_a_container_writes_nowhere_and_gains_no_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_what_hands_files_to_others_is_root_and_it_ends_and_has_no_network() -> None:
    root = {name for name, each in services().items() if each.get("user", "").startswith("0")}
    assert root == {name for name, each in services().items() if "cap_add" in each}
    assert root <= one_shots()
    assert {services()[name]["network_mode"] for name in root} == {"none"}


@every_service
def test_memory_processors_processes_and_logs_are_limited(name: str) -> None:
    limits = services()[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert set(services()[name]["logging"]["options"]) == {"max-size", "max-file"}


@every_service
def test_temporary_files_have_a_limit(name: str) -> None:
    assert [mount for mount in services()[name].get("tmpfs", ()) if "size=" not in mount] == []


@every_service
def test_ports_are_published_on_loopback_unless_told_otherwise(name: str) -> None:
    for port in services()[name].get("ports", ()):
        assert port.startswith("${PIPELINE_BIND:-127.0.0.1}:")
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", resolved(port, {}))


def test_postgresql_is_on_a_network_without_a_way_out_and_on_no_port() -> None:
    assert services()["postgres"]["networks"] == ["database"]
    assert compose()["networks"]["database"]["internal"] is True
    assert "ports" not in services()["postgres"]


def environment_of(name: str) -> dict[str, str]:
    found: dict[str, str] = services()[name].get("environment", {})
    return found


@every_service
def test_a_secret_is_told_by_a_file(name: str) -> None:
    told = {key: text for key, text in environment_of(name).items() if SECRET.search(key)}
    open_ones = {key for key, text in told.items() if not resolved(text, {}).startswith("/run/secrets/")}
    # Optional: no file, no token.
    assert open_ones <= {"PIPELINE_EXPORTER_TOKEN_FILE"}
    assert all(resolved(environment_of(name)[key], {}) == "" for key in open_ones)


def test_no_variable_holds_a_secret() -> None:
    assert {name for name, _ in variables(TEXT) if SECRET.search(name)} <= {"PIPELINE_EXPORTER_TOKEN_FILE"}


@every_service
def test_secrets_are_read_only_to_those_who_do_not_make_them(name: str) -> None:
    writers = {name for name, each in services().items() if "cap_add" in each}
    options = [option for source, _, option in mounts(services()[name]) if source == "secrets"]
    assert all(option == ("" if name in writers else "ro") for option in options)


# Start, health, end


@pytest.mark.parametrize("name", lasting())
def test_what_runs_on_has_a_check_and_comes_back(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["stop_grace_period"]


@pytest.mark.parametrize("name", sorted(one_shots()))
def test_what_ends_is_not_started_again(name: str) -> None:
    assert services()[name]["restart"] == "no"


@every_service
def test_what_a_service_waits_for_can_be_waited_for(name: str) -> None:
    for other, wanted in services()[name].get("depends_on", {}).items():
        assert wanted["condition"] in ("service_healthy", "service_completed_successfully")
        assert (other in one_shots()) == (wanted["condition"] == "service_completed_successfully")


def test_only_the_demo_has_to_be_asked_for() -> None:
    assert {name: each["profiles"] for name, each in services().items() if "profiles" in each} == {
        "demo": ["demo"],
        "demo-history": ["demo"],
    }


def test_the_demo_tells_its_history_once() -> None:
    command = services()["demo-history"]["command"]
    assert {"--resume", "--history-only"} <= set(command)
    assert not any("--backfill" in word for word in services()["demo"]["command"])


def test_prometheus_begins_to_count_after_the_demo_told_its_history_and_runs_without_a_demo() -> None:
    assert services()["prometheus"]["depends_on"] == {
        "demo-history": {"condition": "service_completed_successfully", "required": False}
    }


# Volumes


@every_service
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    own = [source for source, *_ in mounts(services()[name]) if source.startswith(".")]
    assert [source for source in own if not (REPOSITORY / source).exists()] == []


@every_service
def test_files_of_the_project_are_mounted_read_only(name: str) -> None:
    assert [
        source for source, _, option in mounts(services()[name]) if source[0] == "." and option != "ro"
    ] == []


def test_every_volume_is_used() -> None:
    used = {source for each in services().values() for source, *_ in mounts(each) if source[0] not in "./"}
    assert used == set(compose()["volumes"])


# Variables


def defaults() -> dict[str, set[str]]:
    """Default values of each variable, resolved; it may stand in several places."""
    found: dict[str, set[str]] = {}
    for name, default in variables(TEXT):
        found.setdefault(name, set()).add(resolved(default, {}))
    return found


def shown() -> dict[str, list[str]]:
    """What .env.example shows of each variable."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_a_variable_has_one_default() -> None:
    assert {name: each for name, each in defaults().items() if len(each) > 1} == {}


def test_every_variable_is_explained_and_no_other() -> None:
    notified = {name for name in shown() if name.startswith("PIPELINE_ALERTS_")}
    assert set(shown()) == set(defaults()) | notified
    # Compose hands the whole of .env to the program that reads these.
    assert services()["notifications"]["env_file"] == [{"path": ".env", "required": False}]
    known = {f"PIPELINE_ALERTS_{variable.name}" for variable in VARIABLES if not variable.secret}
    assert notified <= known


def test_the_example_shows_the_defaults() -> None:
    wrong = {
        name for name, values in shown().items() if name in defaults() and not defaults()[name] <= set(values)
    }
    assert wrong == set()


def test_the_example_changes_nothing_before_it_is_edited() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


# The exporter's settings


def exporter_environment(**told: str) -> dict[str, str]:
    texts = environment_of("exporter")
    return {key: resolved(text, told) for key, text in texts.items() if not key.endswith("PASSWORD_FILE")}


def test_every_setting_of_the_exporter_exists() -> None:
    ours = {key for name in services() for key in environment_of(name) if key.startswith(PREFIX)}
    assert ours <= {setting.variable for setting in SETTINGS}


def test_links_lead_to_where_ports_are_published() -> None:
    told = settings({}, exporter_environment())
    assert (told.public_url, told.grafana_url) == ("http://127.0.0.1:9877", "http://127.0.0.1:3000")
    other = {"PIPELINE_HOST": "runs.example", "PIPELINE_PORT_GRAFANA": "80", "PIPELINE_PORT_EXPORTER": "81"}
    told = settings({}, exporter_environment(**other))
    assert (told.public_url, told.grafana_url) == ("http://runs.example:81", "http://runs.example:80")


def test_grafana_knows_the_address_that_links_lead_to() -> None:
    texts: dict[str, Any] = {name: environment_of(name) for name in ("exporter", "grafana", "notifications")}
    assert (
        texts["exporter"]["PIPELINE_EXPORTER_GRAFANA_URL"]
        == texts["grafana"]["GF_SERVER_ROOT_URL"]
        == texts["notifications"]["PIPELINE_ALERTS_GRAFANA_URL"]
    )


def test_links_to_runbooks_lead_to_the_exporter_unless_they_are_elsewhere() -> None:
    text = environment_of("notifications")["PIPELINE_ALERTS_RUNBOOKS_URL"]
    public = exporter_environment()["PIPELINE_EXPORTER_PUBLIC_URL"]
    assert resolved(text, {}) == f"{public}/runbooks"
    behind = {"PIPELINE_EXPORTER_PUBLIC_URL": "https://runs.example"}
    assert resolved(text, behind) == "https://runs.example/runbooks"
    wiki = {**behind, "PIPELINE_ALERTS_RUNBOOKS_URL": "https://wiki.example"}
    assert resolved(text, wiki) == "https://wiki.example"
