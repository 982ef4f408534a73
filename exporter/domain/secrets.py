"""What looks like a secret or an address of people is taken out of texts."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import product
from typing import Any

import msgspec

REMOVED = "[secret removed]"
ADDRESS_REMOVED = "[address removed]"

SHORTEST = 7
"""Characters of a text that can have a secret in it."""

DEEPEST = 32
"""Values within values; what is nested deeper is kept as one text."""

_KINDS_OF_KEY = ("api", "account", "private", "secret", "signing", "encryption", "subscription", "access")
_KINDS_OF_TOKEN = ("auth", "access", "refresh", "session", "bearer", "id")
_WORDS = ("passphrase", "authorization")
_START = r"(?<![A-Za-z0-9])"
"""Of a word in the name of a variable, too: `DB_TOKEN`."""

_NAMES = "|".join(
    (
        rf"(?:{'|'.join(_KINDS_OF_KEY)})[-_ ]?key",
        rf"(?:{'|'.join(_KINDS_OF_TOKEN)})[-_]?token",
        r"client[-_]?secret|passw(?:or)?d",
        *_WORDS,
    )
)
"""Whatever stands behind these is a secret; behind `token`, `secret` and the like only what has a digit."""

_NAMED = (
    rf"(?i:(?:{_START}(?:x-)?(?:{_NAMES})|passw(?:or)?d)['\"\\]*\s*[:=]\s*['\"\\]*(?:(?:bearer|basic|token|digest)\s+)?)"
    r"[^\s'\"\\,;&}]{6,}"
)

_NAMED_LOOSELY = (
    rf"(?i:{_START}(?:token|secret|pwd|credentials?|sig|signature)['\"\\]*\s?[:=]\s?['\"\\]*)"
    r"(?=[^\s'\"\\,;&}]{0,512}\d)[^\s'\"\\,;&}]{6,}"
)


def _joined(firsts: tuple[str, ...], separators: str | tuple[str, ...], last: str = "") -> tuple[str, ...]:
    return tuple(f"{first}{separator}{last}" for first, separator in product(firsts, separators))


def _prefixed(*prefixes: str) -> tuple[tuple[str, ...], str]:
    return _joined(prefixes, "-_"), rf"\b(?:{'|'.join(prefixes)})[-_][A-Za-z0-9_\-]{{16,}}"


# A part that any text with such a secret has in small letters, words of which it has one, and the secret's pattern.
# Looking for the words takes a fiftieth of the time of the patterns. No pattern may look ahead without a bound: a text
# of a megabyte that is made for it would keep the writer busy for minutes.
_SHAPES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "-----begin",
        ("key-----",),
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    ("a", ("akia", "asia", "aroa", "aida"), r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b"),
    (
        "key",
        ("secretkey", "secret_key", "accesskey", "access_key"),
        r"(?i:\b(?:aws_?)?secret_?(?:access_?)?key['\"]?\s*[:=]\s*['\"]?)[A-Za-z0-9/+=]{16,}",
    ),
    (
        "k",
        _joined(("sk", "pk", "rk"), "-_"),
        r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_\-]{16,}",
    ),
    ("gh", *_prefixed("ghp", "gho", "ghu", "ghs", "ghr")),
    ("xox", *_prefixed(*(f"xox{letter}" for letter in "abeprs"))),
    ("", *_prefixed("github_pat", "glpat", "xapp", "npm", "gsk", "r8", "dop_v1", "xai")),
    ("aiza", ("aiza",), r"\bAIza[0-9A-Za-z_\-]{35}\b"),
    ("ya29.", ("ya29.",), r"\bya29\.[A-Za-z0-9_\-]{16,}"),
    ("sg.", ("sg.",), r"\bSG\.[A-Za-z0-9_\-]{16,256}\.[A-Za-z0-9_\-]{16,}"),
    ("hf_", ("hf_",), r"\bhf_[A-Za-z0-9]{20,}\b"),
    ("slack.com", ("hooks.slack.com",), r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{16,}"),
    (".eyj", (".eyj",), r"\beyJ[A-Za-z0-9_\-]{8,4096}\.eyJ[A-Za-z0-9_\-]{8,8192}\.[A-Za-z0-9_\-]*"),
    ("b", ("bearer", "basic"), r"(?i:\b(?:bearer|basic)\s+)(?=[^\s]{0,512}[0-9=])[A-Za-z0-9._~+/\-]{8,}=*"),
    ("key", _joined(_KINDS_OF_KEY, ("", "-", "_", " "), "key"), _NAMED),
    ("", ("token", "client", "passw", *_WORDS), _NAMED),
    (
        "",
        ("token", "secret", "pwd", "credential", "sig"),
        _NAMED_LOOSELY,
    ),
    ("://", ("@",), r"(?<=://)[^/\s:@]{0,256}:[^/\s@]+(?=@)"),
)
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}\b")
_SECRET_KEY = re.compile(
    r"(?:(?:^|[._\- ]|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
    rf"(?:{_NAMES}|token|secret|pwd|credentials?|cookie|set-cookie|x-api-key)|passw(?:or)?d)$",
    re.IGNORECASE,
)


def without_secrets(text: str, *, emails: bool = False) -> str:
    """A text with what looks like a secret taken out; addresses of people too, if asked."""
    likely = _likely(text.lower()) if len(text) >= SHORTEST else ()
    if likely:
        text = _either(likely).sub(REMOVED, text)
    return _EMAIL.sub(ADDRESS_REMOVED, text) if emails and "@" in text else text


def _likely(small: str) -> tuple[str, ...]:
    found: list[str] = []
    for part, words, pattern in _SHAPES:
        if part in small:
            for word in words:
                if word in small:
                    found.append(pattern)
                    break
    return tuple(dict.fromkeys(found)) if found else ()


@cache
def _either(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def names_a_secret(key: str) -> bool:
    """Whether the name of an attribute says that its value is a secret, whatever that looks like."""
    return _named(key) if len(key) <= _COMMON else _SECRET_KEY.search(key) is not None


_COMMON = 64
"""Characters of names that come again and again, of which is remembered what they say."""


@lru_cache(2048)
def _named(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def value_without_secrets(value: Any, *, emails: bool = False) -> Any:
    """The same for a value of JSON. What is named like a secret goes whole; without any, the same object comes back."""
    return _value(value, emails, 0)


def _value(value: Any, emails: bool, depth: int) -> Any:
    if isinstance(value, str):
        return without_secrets(value, emails=emails)
    if not isinstance(value, list | dict):
        return value
    if depth == DEEPEST:
        return _of_text(value, emails)
    found: Any
    if isinstance(value, list):
        found = [_value(item, emails, depth + 1) for item in value]
    else:
        found = {
            key: REMOVED if _hides(key, item) else _value(item, emails, depth + 1)
            for key, item in value.items()
        }
    return value if found == value else found


def _of_text(value: Any, emails: bool) -> str:
    try:
        return without_secrets(msgspec.json.encode(value).decode(), emails=emails)
    except RecursionError:  # what cannot be looked through is not kept
        return REMOVED


def _hides(key: str, value: Any) -> bool:
    """Whether a value goes by its name alone. Figures of tokens (`time_to_first_token`) are none of a secret."""
    if not names_a_secret(key) or value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    return not (isinstance(value, int | float) and key.lower().endswith("token"))
