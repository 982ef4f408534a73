"""Text from outside, made fit to be stored: PostgreSQL takes no NUL, labels and pages no control characters."""

from __future__ import annotations

from hashlib import blake2b

NAME_LENGTH = 256
"""Longest name of a pipeline, stage, stream or the like, in characters."""

MESSAGE_LENGTH = 16_384
STACKTRACE_LENGTH = 65_536

REPLACEMENT = "\ufffd"
NAME_REPLACEMENT = "?"
"""In names: PromQL has no way to write U+FFFD, so a name with it would break every query that names its pipeline."""


def clean_name(name: str, limit: int = NAME_LENGTH) -> str:
    """A name in one printable line of at most `limit` characters; what is cut is kept apart by a digest."""
    if not name.isprintable() or REPLACEMENT in name:
        name = "".join(c if c.isprintable() and c != REPLACEMENT else NAME_REPLACEMENT for c in name)
    name = name.strip() or "(unnamed)"
    if len(name) <= limit:
        return name
    digest = blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name[: limit - 9]}~{digest}"


def clean_text(text: str, limit: int = MESSAGE_LENGTH) -> str:
    """Free text without NUL and lone surrogates, cut at `limit` characters with a note of how much is missing."""
    if "\x00" in text:
        text = text.replace("\x00", REPLACEMENT)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if len(text) > limit:
        missing = len(text) - limit
        text = f"{text[:limit]}… ({missing} more characters)"
    return text


def first_line(text: str, limit: int = 300) -> str:
    """First line that says something, for lists."""
    for line in text.splitlines():
        if line.strip():
            return line.strip() if len(line) <= limit else line.strip()[:limit] + "…"
    return ""
