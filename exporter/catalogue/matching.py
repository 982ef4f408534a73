"""A matcher as people write it on a command line, made one that PromQL takes."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

_MATCHER = re.compile(
    r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"{},\s]+)\s*', re.DOTALL
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))"
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_MADE = frozenset({"le", "quantile"})
"""Labels by which PromQL and panels tell parts of one figure."""

_PART = re.compile(
    r"""
      (?P<quoted>\\Q.*?(?:\\E|$))
    | (?P<unicode>\\[pP](?:\{\^?\w+\}|\w))
    | (?P<end>\\z)
    | (?P<byte>\\C)
    | (?P<code>\\x\{[0-9a-fA-F]{1,6}\})
    | (?P<python>\\[1-9ZuUNgk])
    | (?P<escaped>\\.)
    | (?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])
    | (?P<flags>\(\?[imsU]*(?:-[imsU]+)?(?P<scoped>[:)]))
    | (?P<named>\(\?P<\w+>)
    | (?P<group>\(\?)
    | (?P<possessive>[*+?}]\+)
    | (?P<repeated>\{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\}(?!\+))
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST_REPEATED = 1000
_LACKING = {
    "python": "a reference back, or an escape",
    "group": "a look ahead or back, or a group",
    "possessive": "a possessive repetition",
}


class BadMatcher(ValueError):
    """What is no matcher of PromQL; says why."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a label: `text` as PromQL has it."""

    label: str
    text: str


def matcher(text: str) -> Matcher:
    """A matcher out of `job=mine` or `job=~"a|b"`. Raises BadMatcher."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise BadMatcher(
            f'--match: expected LABEL=VALUE, LABEL!=VALUE, LABEL=~"PATTERN" or LABEL!~"PATTERN", got {text!r}'
        )
    label, operator, value = found.groups()
    if label.startswith("__") or label in _MADE:
        raise BadMatcher(f"--match: {label} is no label to narrow by, got {text!r}")
    # What is not quoted means itself, a backslash too.
    quoted = value if value.startswith('"') else '"' + value.replace("\\", "\\\\") + '"'
    wanted = _value(quoted[1:-1], text)
    if "~" in operator:
        _check_pattern(wanted, text)
    return Matcher(label, f"{label}{operator}{quoted}")


def _value(quoted: str, text: str) -> str:
    if re.search(r"[\n\r\0\ud800-\udfff]", quoted):
        raise BadMatcher(f"--match: expected a value on one line and in UTF-8, got {text!r}")
    return _ESCAPE.sub(lambda found: _unescaped(found, text), quoted)


def _unescaped(found: re.Match[str], text: str) -> str:
    letter, octal, *hexadecimal, wrong = found.groups()
    if letter is not None:
        return _LETTERS[letter]
    number = int(octal, 8) if octal else int(next((code for code in hexadecimal if code), "-1"), 16)
    is_byte = octal is not None or hexadecimal[0] is not None
    if wrong is not None or number > (0xFF if is_byte else 0x10FFFF) or 0xD800 <= number < 0xE000:
        raise BadMatcher(
            f"--match: {found[0]} is no escape of PromQL, write a backslash as \\\\, got {text!r}"
        )
    return chr(number)


def _check_pattern(pattern: str, text: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what Python may read otherwise one day
            re.compile(_PART.sub(_as_python, pattern))
    except (re.error, RecursionError, OverflowError, BadMatcher) as error:
        raise BadMatcher(f"--match: not a pattern of Prometheus: {error}, got {text!r}") from error


def _as_python(part: re.Match[str]) -> str:
    """What Python has for a part of a pattern of Prometheus' (RE2). Raises BadMatcher for what RE2 lacks."""
    found = part[0]
    for name, what in _LACKING.items():
        if part[name]:
            raise BadMatcher(f"it has no {found} ({what} of other languages)")
    if part["repeated"] and max(int(part["least"]), int(part["most"] or 0)) > _MOST_REPEATED:
        raise BadMatcher(f"{found} repeats more often than {_MOST_REPEATED} times")
    if part["quoted"]:
        return re.escape(found.removeprefix("\\Q").removesuffix("\\E"))
    if part["flags"]:
        return "(?:" if part["scoped"] == ":" else ""
    if part["set"]:
        return re.sub(r"\[:\^?\w+:\]", "a", re.sub(r"\\[pP](?:\{\^?\w+\}|\w)", "a", found))
    plain = {"unicode": "a", "byte": ".", "code": "a", "end": r"\Z"}
    return next((stand_in for name, stand_in in plain.items() if part[name]), found)
