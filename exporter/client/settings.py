"""Where the client sends to and keeps what it could not send, by environment variables."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from exporter.client.wording import name

DEFAULT_URL = "http://127.0.0.1:9877"
SPOOL_BYTES = 64 << 20
"""Bytes that waiting events may take on disk before the less important ones go."""


class BadClientSetting(ValueError):
    """A variable that cannot be used; names it."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """`spool`: folder for events that wait; None keeps them in memory."""

    url: str = DEFAULT_URL
    token: str | None = None
    token_file: Path | None = None
    environment: str = "default"
    spool: Path | None = None
    spool_bytes: int = SPOOL_BYTES
    disabled: bool = False

    def current_token(self) -> str | None:
        """The token, read anew from its file, as it may be replaced. Raises OSError, BadClientSetting."""
        if self.token_file is None:
            return self.token
        token = self.token_file.read_text(encoding="utf-8", errors="replace").strip()
        return check_token(token, "PIPELINE_EXPORTER_TOKEN_FILE") or None


def client_settings(environ: Mapping[str, str]) -> ClientSettings:
    """Settings from variables. Raises BadClientSetting."""
    url = environ.get("PIPELINE_EXPORTER_URL", "").strip() or DEFAULT_URL
    _check_url(url)
    token = environ.get("PIPELINE_EXPORTER_TOKEN") or None
    if token is not None:
        check_token(token, "PIPELINE_EXPORTER_TOKEN")
    token_file = environ.get("PIPELINE_EXPORTER_TOKEN_FILE")
    spool = environ.get("PIPELINE_EXPORTER_SPOOL")
    return ClientSettings(
        url=url.rstrip("/"),
        token=token,
        token_file=Path(token_file) if token_file else None,
        environment=_environment(environ.get("PIPELINE_EXPORTER_ENVIRONMENT", "").strip()),
        spool=_folder(spool) if spool else default_spool(environ),
        spool_bytes=_size(environ.get("PIPELINE_EXPORTER_SPOOL_BYTES")),
        disabled=environ.get("PIPELINE_EXPORTER_DISABLED", "").lower() not in ("", "0", "false", "no"),
    )


def default_spool(environ: Mapping[str, str]) -> Path:
    """The user's state folder, or one in the folder for temporary files where a user has no home."""
    state = environ.get("XDG_STATE_HOME")
    home = environ.get("HOME")
    if state:
        return Path(state) / "pipeline-exporter"
    if home and os.access(home, os.W_OK):
        return Path(home) / ".local" / "state" / "pipeline-exporter"
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"pipeline-exporter-{user}"


def check_token(token: str, variable: str) -> str:
    """The token. Raises BadClientSetting, without showing it, if no HTTP header can hold it."""
    if not (token.isascii() and token.isprintable()):
        raise BadClientSetting(f"{variable}: expected printable ASCII characters only")
    return token


def shown_url(url: str) -> str:
    """An address, whether it can be used or not, without the user and password that may be in it."""
    before, at, host = url.rpartition("@")
    if not at:
        return url
    scheme, separator, _ = before.partition("://")
    return f"{scheme}://***@{host}" if separator else f"***@{host}"


def _environment(given: str) -> str:
    if not given:
        return "default"
    try:
        name(given, "PIPELINE_EXPORTER_ENVIRONMENT")
    except ValueError as error:
        raise BadClientSetting(str(error)) from error
    return given


def _folder(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:  # ~nobody/…
        raise BadClientSetting(f"PIPELINE_EXPORTER_SPOOL: {error}, got {given!r}") from error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
        usable = usable and url.isprintable() and parts.path.isascii() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise BadClientSetting(f"PIPELINE_EXPORTER_URL: expected http://HOST:PORT, got {shown_url(url)!r}")


def _size(text: str | None) -> int:
    if not text:
        return SPOOL_BYTES
    if not text.isdecimal():
        raise BadClientSetting(f"PIPELINE_EXPORTER_SPOOL_BYTES: expected a number of bytes, got {text!r}")
    return int(text)
