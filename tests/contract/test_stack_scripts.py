"""The stack's scripts: passwords that are made once, roles that may do what they need."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.support.paths import REPOSITORY
from tests.support.postgresql import PostgreSQL

READERS = {"postgres": "999", "grafana": "472", "exporter": "10001", "alertmanager": "65534"}


@pytest.fixture
def owners(tmp_path: Path) -> Path:
    """Where the test's own chown, which needs no root, writes what it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "chown").write_text(f'#!/bin/sh\necho "$1 $2" >>{tmp_path}/owners\n')
    (folder / "chown").chmod(0o755)
    return tmp_path / "owners"


def make_secrets(folder: Path, owners: Path) -> dict[str, str]:
    """Every secret by its file, after the script ran."""
    folder.mkdir(exist_ok=True)
    path = f"{owners.parent / 'bin'}:{os.environ['PATH']}"
    subprocess.run([REPOSITORY / "scripts/make-secrets", folder], env={"PATH": path}, check=True)
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_every_secret_is_long_and_its_own(tmp_path: Path, owners: Path) -> None:
    made = make_secrets(tmp_path / "secrets", owners)
    assert all(re.fullmatch("[0-9a-f]{48}", text) for text in made.values())
    both_ends = 2
    assert len(set(made.values())) == len(made) - both_ends
    assert made["postgres/exporter_password"] == made["exporter/database_password"]
    assert made["postgres/grafana_reader_password"] == made["grafana/database_password"]


def test_a_second_start_changes_none(tmp_path: Path, owners: Path) -> None:
    made = make_secrets(tmp_path / "secrets", owners)
    assert make_secrets(tmp_path / "secrets", owners) == made


def test_one_that_is_missing_or_empty_is_made_and_the_others_stay(tmp_path: Path, owners: Path) -> None:
    folder = tmp_path / "secrets"
    made = make_secrets(folder, owners)
    (folder / "grafana/secret_key").unlink()
    (folder / "exporter/database_password").chmod(0o600)
    (folder / "exporter/database_password").write_text("")
    (folder / "exporter/ingest_token.new").write_text("half")
    again = make_secrets(folder, owners)
    again.pop("exporter/ingest_token.new")
    assert again.pop("grafana/secret_key") != made.pop("grafana/secret_key")
    assert again == made


def test_only_its_reader_may_open_a_secret(tmp_path: Path, owners: Path) -> None:
    folder = tmp_path / "secrets"
    made = make_secrets(folder, owners)
    assert {(folder / name).stat().st_mode & 0o777 for name in made} == {0o400}
    assert {(folder / name).stat().st_mode & 0o777 for name in READERS} == {0o700}
    told = [line.split() for line in owners.read_text(encoding="utf-8").splitlines()]
    given = {file: owner for owner, file in told}
    assert {name: given[name] for name in READERS} == READERS
    for name in made:
        reader = READERS[name.partition("/")[0]]
        assert given[f"{name}.new"] == f"{reader}:{reader}"


def run_roles(server: PostgreSQL, secrets: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "SECRETS": str(secrets),
    }
    script = REPOSITORY / "postgres/roles.sh"
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=False)


def test_roles_are_made_and_made_again(tmp_path: Path, owners: Path, own_postgresql: PostgreSQL) -> None:
    made = make_secrets(tmp_path / "secrets", owners)
    for _ in range(2):
        ran = run_roles(own_postgresql, tmp_path / "secrets/postgres")
        assert ran.returncode == 0, ran.stderr
        assert not any(text in ran.stdout + ran.stderr for text in made.values())
    with psycopg.connect(
        own_postgresql.url("pipelines", user="postgres").replace("+psycopg", "")
    ) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles"
            " WHERE rolname IN ('exporter', 'grafana_reader') ORDER BY 1"
        ).fetchall()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'pipelines'"
        ).fetchone()
        stored = connection.execute(
            "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname IN ('exporter', 'grafana_reader')"
        ).fetchall()
    assert roles == [("exporter", False), ("grafana_reader", False)]
    assert owner == ("exporter",)
    assert stored == [("SCRAM-SHA-256$",)] * 2


def test_roles_are_not_made_without_a_password(tmp_path: Path, own_postgresql: PostgreSQL) -> None:
    ran = run_roles(own_postgresql, tmp_path)
    assert ran.returncode != 0
    assert "superuser_password" in ran.stderr
