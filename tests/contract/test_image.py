"""The Dockerfile: what hadolint does not know, and the versions that it installs."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.support.paths import REPOSITORY
from tests.support.stack import services

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
MARKERS = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "extra": ""}


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def locked(file: str) -> dict[str, str]:
    """Version of each package in a file of requirements, all of which have digests."""
    text = (REPOSITORY / "requirements" / file).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        assert "--hash=sha256:" in line, line
        name, _, version = line.split()[0].partition("==")
        found[name] = version
    return found


def wanted(lines: list[str]) -> list[Requirement]:
    found = [Requirement(line) for line in lines]
    return [each for each in found if each.marker is None or each.marker.evaluate(MARKERS)]


def test_it_is_built_on_one_image_pinned_to_a_patch_release_and_a_suite() -> None:
    outside = {image.split()[0] for image in instructions("FROM")} - {"python"}
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", outside.pop())


def test_no_other_frontend_is_fetched_to_read_it() -> None:
    assert not re.match(r"#\s*syntax", DOCKERFILE)


def test_it_runs_as_a_user_with_a_number_that_others_know() -> None:
    (user,) = instructions("USER")
    number = user.split(":")[0]
    assert int(number) >= 10_000
    secrets = (REPOSITORY / "scripts/make-secrets").read_text(encoding="utf-8")
    assert f"exporter={number}\n" in secrets or f"exporter={number} " in secrets


def test_signals_reach_the_program() -> None:
    for name in ("ENTRYPOINT", "CMD"):
        assert all(each.startswith("[") for each in instructions(name))
    assert instructions("ENTRYPOINT") == ['["pipeline-exporter"]']


def test_its_check_of_health_is_that_of_the_stack() -> None:
    (check,) = instructions("HEALTHCHECK")
    kind, *command = services()["exporter"]["healthcheck"]["test"]
    assert kind == "CMD"
    assert check.endswith(f"CMD {json.dumps(command)}")


@pytest.mark.parametrize(
    ("name", "reason"), [("ADD", "fetches and unpacks"), ("VOLUME", "leaves nameless volumes")]
)
def test_instructions_with_side_effects_are_not_used(name: str, reason: str) -> None:
    assert instructions(name) == [], reason


def test_every_package_of_the_server_is_installed_in_a_version_that_it_wants() -> None:
    project = PROJECT["project"]
    versions = locked("server.txt")
    for each in wanted(project["dependencies"] + project["optional-dependencies"]["server"]):
        assert each.specifier.contains(versions[each.name]), f"{each}: run scripts/lock-image"


def test_the_backend_of_the_build_is_one_that_the_project_wants() -> None:
    (each,) = [Requirement(line) for line in PROJECT["build-system"]["requires"]]
    assert each.specifier.contains(locked("build.txt")[each.name]), f"{each}: run scripts/lock-image"


def test_what_the_wheel_is_made_of_gets_into_the_build() -> None:
    allowed = re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        "requirements",
        PROJECT["project"]["readme"],
        *PROJECT["project"]["license-files"],
        *wheel["packages"],
        *wheel.get("force-include", {}),
    }
    missing = {
        path for path in needed if not any(path == each or path.startswith(f"{each}/") for each in allowed)
    }
    assert missing == set()
