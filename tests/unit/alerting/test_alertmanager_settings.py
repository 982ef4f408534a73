"""Which variables and files switch a receiver on, and what a wrong one is told."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerting.alertmanager.__main__ import main

KEY = "0123456789abcdef0123456789abcdef"
MAIL = {"EMAIL_TO": "a@example.org", "SMTP_HOST": "mail:25", "SMTP_FROM": "b@example.org"}


def render(folder: Path, **variables: str) -> int:
    """Runs the renderer with PIPELINE_ALERTS_ variables, files of `folder`/in and routes of `folder`/routes.yml."""
    environment = {f"PIPELINE_ALERTS_{name}": value for name, value in variables.items()}
    options = ["--secrets", str(folder / "in"), "--routes", str(folder / "routes.yml")]
    return main([str(folder / "out"), *options], environment)


def configuration(folder: Path) -> Any:
    return yaml.safe_load((folder / "out" / "alertmanager.yml").read_text())


def receivers(folder: Path) -> dict[str, dict[str, Any]]:
    """Receivers by name, each with its kinds."""
    return {one.pop("name"): one for one in configuration(folder)["receivers"]}


def test_without_variables_nobody_is_notified_and_the_log_says_how_to_change_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(tmp_path) == 0
    assert receivers(tmp_path) == {"nobody": {}}
    said = capsys.readouterr().out
    assert "nobody is notified" in said
    assert "PIPELINE_ALERTS_EMAIL_TO" in said


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        (MAIL, "email_configs"),
        ({"SLACK_WEBHOOK_URL": "https://slack/x"}, "slack_configs"),
        ({"TEAMS_WEBHOOK_URL": "https://teams/x"}, "msteamsv2_configs"),
        ({"PAGERDUTY_ROUTING_KEY": KEY}, "pagerduty_configs"),
        ({"WEBHOOK_URL": "http://hook/x"}, "webhook_configs"),
    ],
)
def test_one_variable_switches_one_receiver_on(tmp_path: Path, variables: dict[str, str], key: str) -> None:
    assert render(tmp_path, **variables) == 0
    assert set(receivers(tmp_path)["default: critical"]) == {key}


def test_an_empty_variable_is_as_good_as_none(tmp_path: Path) -> None:
    assert render(tmp_path, SLACK_WEBHOOK_URL="", EMAIL_TO=" ") == 0
    assert set(receivers(tmp_path)) == {"nobody"}


def test_pagerduty_is_called_for_critical_alerts_only_unless_told_otherwise(tmp_path: Path) -> None:
    assert render(tmp_path, PAGERDUTY_ROUTING_KEY=KEY) == 0
    assert set(receivers(tmp_path)) == {"nobody", "default: critical"}
    assert render(tmp_path, PAGERDUTY_ROUTING_KEY=KEY, PAGERDUTY_SEVERITIES="critical, warning") == 0
    assert set(receivers(tmp_path)) == {"nobody", "default: critical", "default: warning"}


def test_no_secret_is_in_the_configuration_and_only_the_owner_may_read_its_file(tmp_path: Path) -> None:
    secrets = {
        "SLACK_WEBHOOK_URL": "https://secret.example/1",
        "TEAMS_WEBHOOK_URL": "https://secret.example/2",
        "PAGERDUTY_ROUTING_KEY": KEY,
        "WEBHOOK_URL": "https://secret.example/3",
        "WEBHOOK_TOKEN": "secret-token",
        "SMTP_PASSWORD": "secret-password",
    }
    assert render(tmp_path, **MAIL, SMTP_USERNAME="me", **secrets) == 0
    written = (tmp_path / "out" / "alertmanager.yml").read_text()
    for name, secret in secrets.items():
        file = tmp_path / "out" / "secrets" / name.lower()
        assert (secret in written, file.read_text(), str(file) in written) == (False, secret, True)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ".gitkeep").touch()
    (tmp_path / "in" / "slack_webhook_url").write_text("https://slack/x\n")
    assert render(tmp_path) == 0
    assert (tmp_path / "out" / "secrets" / "slack_webhook_url").read_text() == "https://slack/x"


def test_a_secret_that_is_taken_back_is_deleted(tmp_path: Path) -> None:
    assert render(tmp_path, SLACK_WEBHOOK_URL="https://slack/x") == 0
    assert render(tmp_path) == 0
    assert list((tmp_path / "out" / "secrets").iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"SLACK_WEBHOOK_URL": "hooks.slack.com/x"}, "PIPELINE_ALERTS_SLACK_WEBHOOK_URL: expected a URL"),
        ({"EMAIL_TO": "a@example.org, nobody"}, "PIPELINE_ALERTS_EMAIL_TO: expected an e-mail address"),
        ({"EMAIL_TO": "a@example.org"}, "PIPELINE_ALERTS_SMTP_HOST: not set, but PIPELINE_ALERTS_EMAIL_TO"),
        ({"EMAIL_TO": "a@example.org", "SMTP_HOST": "m:25"}, "PIPELINE_ALERTS_SMTP_FROM: not set"),
        ({"SMTP_HOST": "mail"}, "PIPELINE_ALERTS_SMTP_HOST: expected HOST:PORT"),
        (MAIL | {"SMTP_USERNAME": "me"}, "PIPELINE_ALERTS_SMTP_PASSWORD: not set"),
        (MAIL | {"SMTP_TLS": "maybe"}, "PIPELINE_ALERTS_SMTP_TLS: expected on or off"),
        (
            {"PAGERDUTY_ROUTING_KEY": "short"},
            "PIPELINE_ALERTS_PAGERDUTY_ROUTING_KEY: expected an integration key",
        ),
        (
            {"SLACK_CHANNEL": "#x"},
            "PIPELINE_ALERTS_SLACK_WEBHOOK_URL: not set, but PIPELINE_ALERTS_SLACK_CHANNEL",
        ),
        ({"WEBHOOK_TOKEN": "x"}, "PIPELINE_ALERTS_WEBHOOK_URL: not set, but PIPELINE_ALERTS_WEBHOOK_TOKEN"),
        ({"SLACK_SEVERITIES": "bad"}, "PIPELINE_ALERTS_SLACK_SEVERITIES: expected some of critical"),
        *(
            ({"GROUP_WAIT": text}, "PIPELINE_ALERTS_GROUP_WAIT: expected a duration")
            for text in ("soon", "٣s", "0s", "5", "1s1h", "99999999w", "-1s")
        ),
        *(
            ({"SMTP_HOST": text}, "PIPELINE_ALERTS_SMTP_HOST: expected HOST:PORT")
            for text in (
                "my mail:25",
                "mail :25",
                "mail:٣",
                "mail:0",
                "mail:65536",
                "{{ .x }}:25",
                "a:b:25",
                "me@mail:25",
            )
        ),
        *(
            ({name: text}, f"PIPELINE_ALERTS_{name}: expected a URL")
            for name in ("WEBHOOK_URL", "GRAFANA_URL", "PAGERDUTY_URL")
            for text in (
                "https://x:99999/y",
                "https://x:0",
                "https://x:y",
                "https://x:٣/",
                "https://x:/",
                "https://[x",
            )
        ),
        *(
            ({name: "https://x/{{1}}"}, f"PIPELINE_ALERTS_{name}: expected an address")
            for name in ("WEBHOOK_URL", "GRAFANA_URL", "RUNBOOKS_URL", "SLACK_WEBHOOK_URL")
        ),
        (MAIL | {"EMAIL_TO": "{{1}}@example.org"}, "PIPELINE_ALERTS_EMAIL_TO: expected an address"),
        (MAIL | {"SMTP_FROM": "{{1}}@example.org"}, "PIPELINE_ALERTS_SMTP_FROM: expected an address"),
        ({"SLACK_CHANNEL": "#{{1}}"}, "PIPELINE_ALERTS_SLACK_CHANNEL: expected an address"),
        (
            MAIL | {"SMTP_USERNAME": "a\udcff"},
            "PIPELINE_ALERTS_SMTP_USERNAME: expected a single line of UTF-8",
        ),
        ({"SLAK_CHANNEL": "#x"}, "PIPELINE_ALERTS_SLAK_CHANNEL: unknown"),
        (
            {"GROUP_WAIT_PAYMENTS": "1s"},
            "PIPELINE_ALERTS_GROUP_WAIT_PAYMENTS: PIPELINE_ALERTS_GROUP_WAIT is for all",
        ),
        ({"EMAIL_TO_DEFAULT": "a@b"}, "PIPELINE_ALERTS_EMAIL_TO_DEFAULT: no team may be called default"),
    ],
)
def test_a_wrong_variable_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variables: dict[str, str], complaint: str
) -> None:
    assert render(tmp_path, **variables) == 2
    said = capsys.readouterr().err
    assert said.startswith(complaint), said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_secret_is_not_repeated_in_the_complaint_about_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(tmp_path, PAGERDUTY_ROUTING_KEY="almost-a-key") == 2
    assert "almost-a-key" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("slak_webhook_url", "https://x", "unknown"),
        ("slack_channel", "#x", "no secret; set PIPELINE_ALERTS_SLACK_CHANNEL"),
        ("slack_webhook_url", "nonsense", "expected a URL"),
        ("slack_webhook_url", "", "empty; write the secret into it"),
        ("smtp_password", " \n", "empty; write the secret into it"),
        ("smtp_password", "a\0b", "expected a single line of UTF-8"),
        ("webhook_url", "https://x/\0", "expected a single line of UTF-8"),
    ],
)
def test_a_wrong_secret_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, complaint: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(text)
    assert render(tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'in' / name}: {complaint}")


def test_a_folder_in_place_of_a_secret_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in" / "webhook_url").mkdir(parents=True)
    assert render(tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'in' / 'webhook_url'}: expected a file")


def test_a_secret_that_links_to_nothing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "webhook_url").symlink_to(tmp_path / "nowhere")
    assert render(tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'in' / 'webhook_url'}: cannot be read")


@pytest.mark.parametrize("host", ["mail:25", "smtp.example.org:587", "[::1]:25", "mail_1-a:465"])
def test_a_mail_server_may_be(tmp_path: Path, host: str) -> None:
    assert render(tmp_path, **MAIL | {"SMTP_HOST": host}) == 0


def test_one_secret_in_two_places_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "webhook_url").write_text("https://x")
    assert render(tmp_path, WEBHOOK_URL="https://y") == 2
    assert "PIPELINE_ALERTS_WEBHOOK_URL is set as well" in capsys.readouterr().err


def test_what_a_team_does_not_set_it_has_from_everybody(tmp_path: Path) -> None:
    assert render(tmp_path, **MAIL, PAGERDUTY_ROUTING_KEY=KEY, EMAIL_TO_PAYMENTS="pay@example.org") == 0
    team = receivers(tmp_path)["payments: critical"]
    assert team["email_configs"][0]["to"] == "pay@example.org"
    assert team["pagerduty_configs"][0]["routing_key_file"].endswith("/secrets/pagerduty_routing_key")


def test_a_team_may_switch_off_what_everybody_has(tmp_path: Path) -> None:
    assert render(tmp_path, **MAIL, PAGERDUTY_ROUTING_KEY=KEY, PAGERDUTY_ROUTING_KEY_PAYMENTS="off") == 0
    assert set(receivers(tmp_path)["payments: critical"]) == {"email_configs"}


def test_everybodys_token_and_channel_do_not_go_to_a_teams_own_address(tmp_path: Path) -> None:
    everybody = {"WEBHOOK_URL": "https://all", "WEBHOOK_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://s"}
    own = {"WEBHOOK_URL_PAYMENTS": "https://pay", "SLACK_WEBHOOK_URL_PAYMENTS": "https://p"}
    assert render(tmp_path, **everybody, **own, SLACK_CHANNEL="#all") == 0
    team = receivers(tmp_path)["payments: critical"]
    assert "http_config" not in team["webhook_configs"][0]
    assert "channel" not in team["slack_configs"][0]
    assert receivers(tmp_path)["default: critical"]["slack_configs"][0]["channel"] == "#all"


@pytest.mark.parametrize(
    ("routes", "complaint"),
    [
        ("routes: [{to: default}]", "routes[0]: names no label"),
        ("routes: [{pipeline: x}]", "routes[0]: expected labels and `to`"),
        ("routes: [{pipeline: x, to: payments}]", "routes[0].to: no variable ends in _PAYMENTS"),
        ("routes: [{pipelin: x, to: default}]", "routes[0].pipelin: unknown"),
        ("routes: [{pipeline: 3, to: default}]", "routes[0].pipeline: expected a text"),
        ("routes: 3", "routes: expected a list"),
        ("route: []", "expected one key, routes"),
        ("routes: [", "not YAML"),
    ],
)
def test_a_wrong_route_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], routes: str, complaint: str
) -> None:
    (tmp_path / "routes.yml").write_text(routes)
    assert render(tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'routes.yml'}: {complaint}")
