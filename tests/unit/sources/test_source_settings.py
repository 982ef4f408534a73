"""`sources:` of the configuration file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.settings import BadSetting, settings


def configured(tmp_path: Path, text: str) -> str:
    file = tmp_path / "c.yml"
    file.write_text(text)
    return str(file)


def test_a_source_has_defaults(tmp_path: Path) -> None:
    file = configured(tmp_path, "sources: [{name: a, preset: luigi, url: 'sqlite:////a.db'}]")
    (source,) = settings({}, {}, file).sources
    assert (source.environment, source.every) == ("default", timedelta(seconds=15))


def test_without_sources_there_are_none(tmp_path: Path) -> None:
    assert settings({}, {}).sources == settings({}, {}, configured(tmp_path, "sources:\n")).sources == ()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("sources: 5", "sources: expected a list"),
        ("sources: [5]", r"sources\[0\]: expected a mapping"),
        ("sources: [{preset: a, url: b}]", r"sources\[0\].name: missing"),
        ("sources: [{name: a, preset: a}]", r"sources\[0\].url: missing"),
        ("sources: [{name: a, url: b}]", r"sources\[0\]: expected either preset or mapping"),
        ("sources: [{name: a, url: b, preset: c, mapping: d}]", r"sources\[0\]: expected either"),
        ("sources: [{name: a, url: b, preset: c, evry: 5s}]", r"sources\[0\].evry: unknown key"),
        ("sources: [{name: a, url: b, preset: c, every: soon}]", r"sources\[0\].every: expected a duration"),
        ("sources: [{name: a, url: b, preset: c, every: 0.5s}]", r"sources\[0\].every: expected at least 1s"),
        (
            "sources: [{name: a, url: b, preset: c, timezone: Mars/Phobos}]",
            r"sources\[0\].timezone: no such time zone: 'Mars/Phobos'",
        ),
        ("sources: [{name: a, url: b, preset: c, timezone: Europe}]", r"sources\[0\].timezone: no such"),
        ("sources: [{name: a b, url: b, preset: c}]", r"sources\[0\].name: expected up to 64"),
        ("sources: [{name: a, url: [b], preset: c}]", r"sources\[0\].url: expected text"),
        (
            "sources: [{name: a, url: b, preset: c}, {name: a, url: b, preset: c}]",
            r"sources\[1\].name: 'a' is the name of another",
        ),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, told: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        settings({}, {}, configured(tmp_path, told))
