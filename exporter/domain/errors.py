"""What went wrong in a pipeline, in one shape, and which category it belongs to."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from exporter.domain.text import MESSAGE_LENGTH, STACKTRACE_LENGTH, clean_name, clean_text


class Category(StrEnum):
    """Kinds of errors: by who can do something about it."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    AUTHORIZATION = "authorization"
    RESOURCE = "resource"
    SERIALIZATION = "serialization"
    DATA_QUALITY = "data_quality"
    CONFIGURATION = "configuration"
    DEPENDENCY = "dependency"
    PROCESSING = "processing"


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as a source told it; only `message` is needed."""

    message: str
    type: str | None = None
    stacktrace: str | None = None
    category: str | None = None
    severity: str | None = None
    component: str | None = None
    context: dict[str, Any] | None = None

    def cleaned(self) -> ErrorDetail:
        """The same, bounded and printable, its type and category filled in where the source left them out."""
        kind = error_type(self)
        return ErrorDetail(
            message=clean_text(self.message, MESSAGE_LENGTH),
            type=kind,
            stacktrace=None if self.stacktrace is None else clean_text(self.stacktrace, STACKTRACE_LENGTH),
            category=clean_name(self.category.lower(), 64) if self.category else classify(kind, self.message),
            severity=clean_name(self.severity.lower(), 64) if self.severity else "error",
            component=None if self.component is None else clean_name(self.component),
            context=self.context,
        )


_CLASS_REPR = re.compile(r"^<class '([\w.]+)'>$")
_LEADING_TYPE = re.compile(
    r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Timeout|Interrupt|Warning))(?::|$)"
)


def error_type(error: ErrorDetail) -> str:
    """Type of an error: told, else read from `Type: message` or the last line of a stack trace, else "unknown"."""
    if error.type:
        told = _CLASS_REPR.match(error.type)
        return clean_name(told[1] if told else error.type, 128)
    candidates = [error.message]
    if error.stacktrace:
        candidates.append(error.stacktrace.strip().rpartition("\n")[2])
    for text in candidates:
        found = _LEADING_TYPE.match(text.strip()[:200])
        if found:
            return clean_name(found[1], 128)
    return "unknown"


# The first rule that fits decides, so the narrow ones stand first.
_RULES: tuple[tuple[Category, re.Pattern[str]], ...] = tuple(
    (category, re.compile(pattern, re.IGNORECASE))
    for category, pattern in (
        (Category.RATE_LIMIT, r"rate.?limit|too many requests|\b429\b|quota|throttl"),
        (
            Category.AUTHORIZATION,
            r"unauthori[sz]ed|forbidden|permission|access denied|authenticat|\b40[13]\b|credential",
        ),
        (Category.TIMEOUT, r"time.?out|timed out|deadline exceeded"),
        (
            Category.RESOURCE,
            r"out of memory|memoryerror|\boom\b|oomkill|no space left|disk full|enospc|too many open files",
        ),
        (
            Category.CONNECTION,
            r"connection|connect|network|unreachable|dns|name resolution|broken pipe|socket|\b50[234]\b",
        ),
        (
            Category.SERIALIZATION,
            r"serializ|deserializ|decod|encod|parse|avro|protobuf|json|schema|malformed",
        ),
        (
            Category.DATA_QUALITY,
            r"data.?quality|validation|constraint|not.?null|duplicate key|assert|expectation|quality",
        ),
        (
            Category.CONFIGURATION,
            r"config|missing (argument|parameter|variable)|not set|undefined|no such option",
        ),
        (
            Category.DEPENDENCY,
            r"modulenotfound|importerror|no module|upstream|dependency|filenotfound|no such file",
        ),
    )
)


def classify(type_: str, message: str) -> str:
    """Category of an error whose source named none, by the words it uses."""
    text = f"{type_} {message[:500]}"
    for category, pattern in _RULES:
        if pattern.search(text):
            return category
    return Category.PROCESSING
