"""What README.md, Makefile, pyproject.toml and .ci/run say about one another."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def packages_of(requirement: Requirement) -> set[str]:
    """The package and all that it brings along, as installed here."""
    found: set[str] = set()
    waiting = [requirement]
    while waiting:
        wanted = waiting.pop()
        if wanted.name in found:
            continue
        found.add(wanted.name)
        for line in requires(wanted.name) or ():
            further = Requirement(line)
            extras = wanted.extras or {""}
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)
    return found


def test_every_make_command_of_the_readme_is_a_target() -> None:
    commands = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "test"} <= commands
    assert commands <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert script.splitlines()[-1] == "exec make test"


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_the_base_install_brings_no_server() -> None:
    base = set[str]().union(*(packages_of(Requirement(line)) for line in PROJECT["dependencies"]))
    server = {Requirement(line).name for line in PROJECT["optional-dependencies"]["server"]}
    assert base & server == set()
    assert len(base) < 10


def test_demo_and_command_line_start_without_the_server_packages() -> None:
    program = """
import sys
for name in ("alembic", "fastapi", "msgspec", "prometheus_client", "sqlalchemy", "uvicorn", "yaml"):
    sys.modules[name] = None
import exporter.demo.command, exporter.cli, exporter.cli.run, exporter.client
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_with_what_is_bundled_and_nothing_else(wheel: set[str]) -> None:
    files = (path for path in (REPOSITORY / "exporter").rglob("*") if path.is_file())
    expected = {str(path.relative_to(REPOSITORY)) for path in files if "__pycache__" not in path.parts}
    boards = (REPOSITORY / "provisioning" / "dashboards" / "Pipelines").glob("*.json")
    rules = (REPOSITORY / "prometheus" / "rules").glob("*.yml")
    expected |= {f"exporter/bundled/dashboards/{path.name}" for path in boards}
    runbooks = (REPOSITORY / "docs" / "runbooks").glob("*.md")
    expected |= {f"exporter/bundled/rules/{path.name}" for path in rules}
    expected |= {f"exporter/bundled/runbooks/{path.name}" for path in runbooks}
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_the_wheel_is_typed_and_licensed(wheel: set[str]) -> None:
    assert {"py.typed", "LICENSE"} <= {Path(name).name for name in wheel}
