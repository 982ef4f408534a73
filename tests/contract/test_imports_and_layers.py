"""Directions of imports that import-linter does not hold: those of other packages, and of settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import REPOSITORY


def imported(source: str) -> Iterator[str]:
    """Modules that a source text imports, wherever it does; names that it takes from one with them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(*folders: str) -> dict[str, set[str]]:
    """What each Python file below some folders imports of this project."""
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    return {
        str(path.relative_to(REPOSITORY)): {
            name for name in imported(path.read_text(encoding="utf-8")) if name.startswith("exporter.")
        }
        for path in files
    }


def below(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def test_imports_are_seen_wherever_they_stand() -> None:
    source = (
        "import a.b\ndef f():\n    from exporter import store\n    from exporter.store.writer import Writer\n"
    )
    assert list(imported(source)) == ["a.b", "exporter.store", "exporter.store.writer.Writer"]


def test_dashboards_and_alerting_know_the_catalogue_and_the_domain_only() -> None:
    found = imports("dashboards", "alerting")
    assert {
        file: wrong
        for file, names in found.items()
        if (wrong := {name for name in names if not below(name, "exporter.catalogue", "exporter.domain")})
    } == {}


def test_settings_are_read_by_the_command_line_and_handed_down() -> None:
    allowed = {"exporter/catalogue/document.py"}  # writes the table of settings into README.md
    found = imports("exporter")
    assert len(found) > 100
    users = {file for file, names in found.items() if any(below(name, "exporter.settings") for name in names)}
    inner = {file for file in users if Path(file).parts[1] not in ("cli", "web")}
    assert inner == allowed
