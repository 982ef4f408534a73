"""What cannot be right is refused where it is said, naming the argument; nothing else is ever raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import pytest

from exporter.client import Execution, Stage, pipeline
from exporter.client.declaring import declared
from exporter.client.settings import BadClientSetting, client_settings

WRONG: Mapping[str, Callable[[], object]] = {
    "pipeline": lambda: pipeline(""),
    "execution": lambda: pipeline("p", execution="x" * 2000),
    "environment": lambda: pipeline("p", environment="a\nb"),
    "heartbeat_seconds": lambda: pipeline("p", heartbeat_seconds=0),
    "sample_seconds": lambda: pipeline("p", sample_seconds=-1),
    "labels": lambda: pipeline("p", labels={"": "x"}),
    "parameters": lambda: pipeline("p", parameters=3),  # type: ignore[arg-type]
    "schedule": lambda: pipeline("p", schedule="at noon"),
    "stages": lambda: pipeline("p", stages="extract"),
    "colour": lambda: pipeline("p", colour="red"),  # type: ignore[call-arg]
    "stage": lambda: Stage(""),
    "index": lambda: Stage("s", index="\n"),
    "attempt": lambda: Stage("s", attempt=0),
    "depends_on": lambda: Stage("s", depends_on=[""]),
    "retries": lambda: Stage("s", retries=-1),
    "in_": lambda: Stage("s").items(in_=-1),
    "out": lambda: Stage("s").items(out=1.5),  # type: ignore[arg-type]
    "done": lambda: Stage("s").progress(1.5),
    "watermark": lambda: Stage("s").measured("x", watermark=datetime(2026, 1, 1)),  # noqa: DTZ001
    "direction": lambda: Stage("s").measured("x", direction="up"),
    "events": lambda: Stage("s").measured("x", events={"insert": -1}),
    "rules": lambda: Stage("s").checked(rules={"r": -1}),
    "completeness": lambda: Stage("s").checked(completeness=2),
    "provider": lambda: Stage("s").llm("", "m"),
    "cost_usd": lambda: Stage("s").llm("p", "m", cost_usd=float("nan")),
    "bytes": lambda: Stage("s").artifact("a", bytes=-1),
    "level": lambda: Stage("s").log("x", level=""),
    "status": lambda: Stage("s").conclude("fine"),
    "most": lambda: Execution("p").attempts("s", 0),
    "every": lambda: Stage("s").track([], every=-1),
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_argument_is_named(argument: str) -> None:
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        WRONG[argument]()


def test_a_stage_outside_any_run_does_its_work_and_is_not_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.client.complaints._SAID", set())
    with Stage("alone") as stage:
        stage.items(out=1)
        stage.warning("nobody hears this")
        assert list(stage.track([1, 2])) == [1, 2]
    assert "stage 'alone' is in no pipeline" in caplog.text


def test_schedules_are_cron_periods_or_objects() -> None:
    assert declared({"schedule": "0 2 * * *"})["schedule"] == {"cron": "0 2 * * *"}
    assert declared({"schedule": 60})["schedule"] == {"every_seconds": 60.0}
    zoned = {"cron": "@daily", "timezone": "Europe/Berlin"}
    assert declared({"schedule": zoned})["schedule"] == zoned


@pytest.mark.parametrize(
    ("variable", "value"),
    [("URL", "ftp://x"), ("URL", "nonsense"), ("URL", "http://[::1"), ("SPOOL_BYTES", "many")],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(BadClientSetting, match=f"^PIPELINE_EXPORTER_{variable}"):
        client_settings({f"PIPELINE_EXPORTER_{variable}": value})
