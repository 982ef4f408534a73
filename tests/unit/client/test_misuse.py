"""What cannot be right is refused where it is said, naming the argument; nothing else is ever raised."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from exporter.client import Execution, Stage, pipeline
from exporter.client.declaring import declared
from exporter.client.delivery import Delivery
from exporter.client.settings import BadClientSetting, ClientSettings, client_settings

WRONG: Mapping[str, Callable[[], object]] = {
    "pipeline": lambda: pipeline(""),
    "execution": lambda: pipeline("p", execution="x" * 2000),
    "environment": lambda: pipeline("p", environment="a\nb"),
    "heartbeat_seconds": lambda: pipeline("p", heartbeat_seconds=0),
    "sample_seconds": lambda: pipeline("p", sample_seconds=-1),
    "labels": lambda: pipeline("p", labels={"": "x"}),
    "parameters": lambda: pipeline("p", parameters=3),  # type: ignore[arg-type]
    "schedule": lambda: pipeline("p", schedule="at noon"),
    "schedule: expected a minute from 0 to 59": lambda: declared({"schedule": "61 * * * *"}),
    "schedule: expected a day from 1 to 31": lambda: declared({"schedule": "0 2 1-9,10-40 * *"}),
    "schedule: timezone": lambda: declared({"schedule": {"cron": "@daily", "timezone": "X/Y"}}),
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


WRONG_KINDS: list[tuple[str, Callable[..., object]]] = [
    ("stage", Stage),
    ("index", lambda odd: Stage("s", index=odd)),
    ("depends_on", lambda odd: Stage("s", depends_on=odd)),
    ("out", lambda odd: Stage("s").items(out=odd)),
    ("events", lambda odd: Stage("s").measured("x", events=odd)),
    ("latency_seconds", lambda odd: Stage("s").measured("x", latency_seconds=odd)),
    ("rules", lambda odd: Stage("s").checked(rules=odd)),
    ("total", lambda odd: Stage("s").track([], total=odd)),
    ("eta", lambda odd: Stage("s").progress(eta=odd)),
    ("status", lambda odd: Stage("s").conclude(odd)),
    ("labels", lambda odd: pipeline("p", labels={"label": odd})),
    ("link", lambda odd: pipeline("p", link=odd)),
    ("stages", lambda odd: declared({"stages": odd})),
    ("streams", lambda odd: declared({"streams": odd})),
    ("schedule", lambda odd: declared({"schedule": odd})),
    ("paused", lambda odd: declared({"paused": odd})),
]


class Odd:
    """Nothing that can be told, and not even an error message can show it."""

    def __repr__(self) -> str:
        raise OSError("no repr")


@pytest.mark.parametrize(("argument", "call"), WRONG_KINDS, ids=[argument for argument, _ in WRONG_KINDS])
@pytest.mark.parametrize("odd", [Odd(), [Odd()]], ids=["thing", "list"])
def test_an_argument_of_a_wrong_kind_is_named(
    argument: str, call: Callable[..., object], odd: object
) -> None:
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        call(odd)


def test_one_name_is_not_taken_for_its_letters() -> None:
    with pytest.raises(ValueError, match=r"^depends_on: expected names, got 'extract'"):
        Stage("load", depends_on="extract")


def test_a_label_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match=r"^labels: expected text or a number for 'ratio'"):
        pipeline("p", labels={"ratio": float("nan")})


def test_a_status_that_nothing_ends_with_is_named(tmp_path: Path) -> None:
    with closing(Delivery(ClientSettings(url="http://127.0.0.1:1", spool=tmp_path))) as delivery:
        execution = pipeline("p", delivery=delivery).start()
        with pytest.raises(ValueError, match=r"^status: expected one of"):
            execution.finish("fine")
        execution.finish()


class Unsized:
    """As data sets of some libraries are."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2))


def test_what_has_no_length_can_be_tracked() -> None:
    assert list(Stage("s").track(Unsized())) == [1, 2]


def test_a_stderr_that_is_closed_draws_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    assert list(Stage("s").track([1, 2])) == [1, 2]
    assert list(Stage("s").track([1, 2], bar=True)) == [1, 2]


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
    for cron in ("*/5 0-23/2 L * MON-FRI", "0 2 * JAN 7", "0 0 * * 5#2"):
        assert declared({"schedule": cron})["schedule"] == {"cron": cron}
    zoned = {"cron": "@daily", "timezone": "Europe/Berlin"}
    assert declared({"schedule": zoned})["schedule"] == zoned


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("URL", "ftp://x"),
        ("URL", "nonsense"),
        ("URL", "http://[::1"),
        ("SPOOL_BYTES", "many"),
        ("URL", "http://a..b"),
        ("TOKEN", "two\nlines"),
        ("SPOOL", "~nobody-at-all/x"),
        ("ENVIRONMENT", "two\nlines"),
        ("ENVIRONMENT", "x" * 500),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(BadClientSetting, match=f"^PIPELINE_EXPORTER_{variable}"):
        client_settings({f"PIPELINE_EXPORTER_{variable}": value})


def test_a_line_end_behind_the_environment_is_none_of_its_name() -> None:
    assert client_settings({"PIPELINE_EXPORTER_ENVIRONMENT": "prod\n"}).environment == "prod"


@pytest.mark.parametrize("url", ["http://bob:PW@[::1", "http://bob:P/W@h:1", "bob:PW@h", "ftp://bob:P@W@h"])
def test_a_password_in_an_address_is_not_shown(url: str) -> None:
    with pytest.raises(BadClientSetting) as raised:
        client_settings({"PIPELINE_EXPORTER_URL": url})
    assert "PW" not in str(raised.value)
    assert "P@W" not in str(raised.value)
