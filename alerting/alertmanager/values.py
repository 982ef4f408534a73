"""What the value of a variable means. Each function raises ValueError with what it expected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

_DURATION = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in ("w", "d", "h", "m", "s", "ms")))
_SECONDS = (604_800, 86_400, 3_600, 60, 1, 0.001)
_LONGEST = 366 * 86_400


class Severity(StrEnum):
    """How soon somebody must look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Host:
    """A mail server."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def web_address(text: str) -> str:
    """An http or https URL."""
    wrong = ValueError("expected a URL that begins with https:// or http://")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise wrong
    if not _has_possible_port(parts):
        raise ValueError("expected a URL with a port from 1 to 65535, or without one")
    _no_template(text)
    return text


def _has_possible_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        return False


def _no_template(text: str) -> None:
    if "{{" in text:
        raise ValueError("expected an address, and {{ begins a template of Alertmanager")


def plain(text: str) -> str:
    """Any text that a file can hold, without control characters. Raises ValueError as the others."""
    if re.search(r"[\0-\x08\x0a-\x1f\x7f\ud800-\udfff]", text):
        raise ValueError("expected a single line of UTF-8, without control characters")
    return text


def base_address(text: str) -> str:
    """An http or https URL to which paths are added."""
    parts = urlsplit(web_address(text))
    # Made of two: an address that ends in a slash, and a path that begins with one.
    return parts._replace(path=re.sub("/{2,}", "/", parts.path)).geturl().rstrip("/")


def mail_address(text: str) -> str:
    """One e-mail address."""
    if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", text):
        raise ValueError("expected an e-mail address such as team@example.org")
    _no_template(text)
    return text


def mail_addresses(text: str) -> str:
    """E-mail addresses with commas between them."""
    return ", ".join(mail_address(part.strip()) for part in text.split(","))


def host(text: str) -> Host:
    """HOST:PORT."""
    name, colon, port = text.rpartition(":")
    known = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]", name)
    if not (known and colon and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise ValueError("expected HOST:PORT such as smtp.example.org:587")
    return Host(name, int(port))


def switch(text: str) -> bool:
    """On or off."""
    words = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("expected on or off")
    return words[text.lower()]


def channel(text: str) -> str:
    """A channel or person of Slack."""
    if not re.fullmatch(r"[#@][^\s#@]+|[CDGU][A-Z0-9]{8,}", text):
        raise ValueError("expected a channel such as #pipelines, a person such as @ada, or a channel's id")
    _no_template(text)
    return text


def routing_key(text: str) -> str:
    """The integration key of a PagerDuty service (Events API v2)."""
    if not re.fullmatch(r"[A-Za-z0-9]{32}", text):
        raise ValueError("expected an integration key of the Events API v2: 32 letters and digits")
    return text


def one_line(text: str) -> str:
    """Any text without a line break."""
    if re.search(r"[\r\n]", text):
        raise ValueError("expected a single line")
    return text


def severities(text: str) -> frozenset[Severity]:
    """Severities with commas between them."""
    words = [word.strip() for word in text.split(",")]
    if not set(words) <= set(Severity):
        raise ValueError(f"expected some of {', '.join(Severity)}, with commas between them")
    return frozenset(Severity(word) for word in words)


def duration(text: str) -> str:
    """A duration as Prometheus and Alertmanager write it."""
    found = _DURATION.fullmatch(text)
    seconds = (
        [int(part or 0) * size for part, size in zip(found.groups(), _SECONDS, strict=True)] if found else []
    )
    if not 0 < sum(seconds) <= _LONGEST:
        raise ValueError("expected a duration such as 30s, 5m or 4h")
    return text


def label_names(text: str) -> tuple[str, ...]:
    """Names of labels with commas between them."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in names):
        raise ValueError("expected names of labels, with commas between them, such as environment,pipeline")
    return names
