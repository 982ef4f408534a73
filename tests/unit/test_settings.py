"""Settings as they are told: where from, what of them is refused, and secrets out of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.settings import BadSetting, settings
from exporter.store.engine import BadDatabase, open_engine

POSTGRESQL = "postgresql://exporter@db.example/pipelines"


def written(folder: Path, text: str) -> str:
    file = folder / "secret"
    file.write_text(text)
    return str(file)


def test_the_command_line_outranks_the_environment_and_that_the_file(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text("retention: 1d\nlog_format: json\nqueue-limit: 7\n")
    environment = {"PIPELINE_EXPORTER_RETENTION": "2d", "PIPELINE_EXPORTER_LOG_FORMAT": "text"}
    told = settings({"retention": "3d"}, environment, str(file))
    assert (told.retention.days, told.log_format, told.queue_limit) == (3, "text", 7)


@pytest.mark.parametrize(
    ("key", "attribute"), [("token", "token"), ("database_password", "database_password")]
)
def test_a_secret_is_read_from_a_file_without_the_line_break_at_its_end(
    tmp_path: Path, key: str, attribute: str
) -> None:
    told = settings({f"{key}_file": written(tmp_path, "s3 cret\n")}, {})
    assert getattr(told, attribute) == "s3 cret"


def test_no_file_named_is_no_secret() -> None:
    told = settings({}, {"PIPELINE_EXPORTER_TOKEN_FILE": "", "PIPELINE_EXPORTER_TOKEN": "abc"})
    assert (told.token, told.database_password) == ("abc", None)


def test_an_empty_file_of_a_token_lets_nobody_in_by_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^--token-file: expected a secret in the file, it is empty"):
        settings({"token_file": written(tmp_path, "\n")}, {})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(BadSetting, match="PASSWORD_FILE: cannot be read: No such file or directory, got '/"):
        settings({}, {"PIPELINE_EXPORTER_DATABASE_PASSWORD_FILE": missing})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSetting, match="--token-file: expected text in UTF-8"):
        settings({"token_file": str(tmp_path / "secret")}, {})


def test_a_secret_told_in_two_ways_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^--token-file: PIPELINE_EXPORTER_TOKEN is given as well"):
        settings({"token_file": written(tmp_path, "a")}, {"PIPELINE_EXPORTER_TOKEN": "b"})


@pytest.mark.parametrize("url", ["exporter.example", "ftp://exporter.example", "http://"])
def test_an_address_to_link_to_is_one_of_the_web(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^PIPELINE_EXPORTER_PUBLIC_URL: expected a URL"):
        settings({}, {"PIPELINE_EXPORTER_PUBLIC_URL": url})


def test_a_password_goes_into_the_connection_and_not_into_what_is_printed() -> None:
    engine = open_engine(POSTGRESQL, "p@ss/word")
    assert engine.url.password == "p@ss/word"
    assert "p@ss" not in str(engine.url) + repr(engine)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////tmp/x.db", "SQLite has none"),
        (POSTGRESQL.replace("@", ":a@"), "the URL holds one as well"),
    ],
)
def test_a_password_that_does_not_fit_the_database_is_refused(url: str, reason: str) -> None:
    with pytest.raises(BadDatabase, match=reason):
        open_engine(url, "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retention: 1d\nlisten: :1\nretention: 2d\n", ":3: retention: stands twice, in line 1 as well"),
        (
            "series-limit: 5\nseries_limit: 6\n",
            ":2: series_limit: stands twice, in line 1 as series-limit as well",
        ),
        ("sources:\n  - name: a\n    url: b\n    name: c\n", ":4: name: stands twice, in line 2 as well"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadSetting) as told:
        settings({}, {}, file)
    assert str(told.value) == f"{file}{message}"


def test_a_file_that_holds_itself_is_no_settings(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="not YAML"):
        settings({}, {}, written(tmp_path, "sources: &a [*a]\n"))


def test_paths_in_the_file_begin_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "token").write_text("abc")
    (tmp_path / "etc" / "exporter.yml").write_text(
        "database: sqlite:///data/own.db\ntoken_file: token\nllm_prices: prices.yml\n"
        "otlp_mapping: ../spans.yml\n"
    )
    monkeypatch.chdir(tmp_path)
    told = settings({}, {}, "etc/exporter.yml")
    folder = tmp_path / "etc"
    assert told.token == "abc"
    assert told.database == f"sqlite:///{folder}/data/own.db"
    assert (told.llm_prices, told.otlp_mapping) == (f"{folder}/prices.yml", f"{folder}/../spans.yml")


@pytest.mark.parametrize(
    "url", ["sqlite:////data/own.db", "sqlite:///:memory:", "postgresql://user@host/database"]
)
def test_other_databases_stay_as_they_are(tmp_path: Path, url: str) -> None:
    assert settings({}, {}, written(tmp_path, f"database: '{url}'\n")).database == url


def test_paths_told_elsewhere_begin_where_the_server_was_started(tmp_path: Path) -> None:
    told = settings(
        {"llm_prices": "p.yml"}, {"PIPELINE_EXPORTER_OTLP_MAPPING": "m.yml"}, written(tmp_path, "")
    )
    assert (told.llm_prices, told.otlp_mapping) == ("p.yml", "m.yml")


def test_a_password_in_an_address_is_not_printed() -> None:
    with pytest.raises(BadSetting, match=r"expected a URL such as http://grafana:3000, got 'ftp://…@h'"):
        settings({"public_url": "ftp://u:PW@h"}, {})
