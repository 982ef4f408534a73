"""A dashboard out of Grafana, as a file to provision. What Grafana answers is not trusted to be one."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

Json = dict[str, Any]

_OURS = "pipelines-"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
TIME_OUT = 30
LONGEST_NAME = 100


class NotPulled(Exception):
    """A dashboard that can't be brought back as a file; says why."""


def pulled(grafana: str, uid: str, user: str) -> tuple[str, str]:
    """Name and text of the dashboard's file. Raises NotPulled."""
    if not _UID.fullmatch(uid):
        raise NotPulled(
            f"expected the uid of a dashboard, up to 40 letters, digits, - and _, got {uid[:100]!r}"
        )
    if uid.startswith(_OURS):
        raise NotPulled(
            f"{uid} is written by code. In Grafana, save a copy under a name of your own and pull that"
        )
    board = portable(_fetched(grafana, uid, user))
    if board.get("uid") != uid:
        raise NotPulled(f"--from: {grafana} answered with another dashboard than {uid}")
    try:
        text = json.dumps(board, indent=1, ensure_ascii=False) + "\n"
        text.encode()
    except (RecursionError, UnicodeError) as error:
        raise NotPulled(
            f"--from: {grafana} answered with a dashboard that no file can hold: {error}"
        ) from error
    return f"{_name(board.get('title')) or uid}.json", text


def portable(board: Json) -> Json:
    """The dashboard without what belongs to one Grafana. Raises NotPulled for what can't be provisioned."""
    if "elements" in board or "panels" not in board:
        raise NotPulled("it has Grafana's new schema (v2): in its settings, export it as classic JSON")
    if not _are_objects(board["panels"]):
        raise NotPulled("it is no dashboard: panels is no list of objects")
    kept = {key: value for key, value in board.items() if key not in ("id", "iteration")}
    kept["version"] = 0
    for variable in _variables(kept.get("templating")):
        if variable.get("type") == "query":
            variable["options"] = []
    return kept


def not_another(path: Path, uid: str) -> None:
    """Raises NotPulled where the file is there and of another dashboard."""
    if not path.exists():
        return
    try:
        other = json.loads(path.read_text(encoding="utf-8")).get("uid")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise NotPulled(f"{path} is there and is no dashboard") from error
    if other != uid:
        raise NotPulled(
            f"{path} has another dashboard, {other}: Grafana keeps both when a file's uid changes. Rename one"
        )


def _name(title: object) -> str:
    if not isinstance(title, str):
        return ""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:LONGEST_NAME].strip("-")


def _variables(templating: object) -> list[Json]:
    found = templating.get("list") if isinstance(templating, dict) else templating
    if found is None:
        return []
    if not isinstance(templating, dict) or not _are_objects(found):
        raise NotPulled("it is no dashboard: templating.list is no list of objects")
    return found


def _are_objects(found: object) -> TypeGuard[list[Json]]:
    return isinstance(found, list) and all(isinstance(each, dict) for each in found)


def _fetched(grafana: str, uid: str, user: str) -> Json:
    headers, credentials = _who(user)
    url = f"{grafana.rstrip('/')}/api/dashboards/uid/{uid}"
    try:
        answer = requests.get(url, headers=headers, auth=credentials, timeout=TIME_OUT)
    except (requests.RequestException, HTTPError, UnicodeError) as error:
        raise NotPulled(f"--from: {grafana} does not answer: {type(error).__name__}") from error
    if answer.status_code == 404:
        raise NotPulled(f"{grafana} has no dashboard with the uid {uid}")
    if answer.status_code in (401, 403):
        raise NotPulled(f"{grafana} does not let you read {uid}: HTTP {answer.status_code}")
    found = _dashboard(answer.content) if answer.status_code == 200 else None
    if found is None:
        raise NotPulled(f"--from: {url} answered HTTP {answer.status_code}, and no dashboard")
    return found


def _who(user: str) -> tuple[dict[str, str], HTTPBasicAuth | None]:
    """Headers and credentials of who asks."""
    token, password = os.environ.get("GRAFANA_TOKEN"), os.environ.get("GRAFANA_PASSWORD")
    if token:
        if not re.fullmatch(r"[!-~]+", token):
            raise NotPulled("GRAFANA_TOKEN: expected ASCII letters, digits and signs, without spaces")
        return {"Authorization": f"Bearer {token}"}, None
    if not password:
        raise NotPulled("set GRAFANA_TOKEN, or GRAFANA_PASSWORD for --user")
    try:
        return {}, HTTPBasicAuth(user.encode(), password.encode())
    except UnicodeError as error:
        raise NotPulled("GRAFANA_PASSWORD and --user: expected text in UTF-8") from error


def _dashboard(content: bytes) -> Json | None:
    try:
        answer = json.loads(content, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    found = answer.get("dashboard") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
