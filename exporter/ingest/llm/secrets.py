"""What looks like a secret or an address of people is taken out of texts."""

from __future__ import annotations

import re

REMOVED = "[secret removed]"
ADDRESS_REMOVED = "[address removed]"

_NAMES = (
    r"api[-_ ]?key|(?:auth|access|refresh|session|bearer|id)[-_]?token|client[-_]?secret|passw(?:or)?d|passphrase"
    r"|(?:account|private|signing|encryption|subscription|access)[-_]?key|authorization"
)
"""Whatever stands behind these is a secret; behind `token`, `secret` and the like only what has a digit."""

_SECRETS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b",
            r"(?i:\b(?:aws_?)?secret_?(?:access_?)?key['\"]?\s*[:=]\s*['\"]?)[A-Za-z0-9/+=]{16,}",
            r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_\-]{16,}",
            r"\b(?:gh[pousr]|github_pat|glpat|xox[abeprs]|xapp|npm|gsk|r8|dop_v1|xai)[-_][A-Za-z0-9_\-]{16,}",
            r"\bAIza[0-9A-Za-z_\-]{35}\b",
            r"\bya29\.[A-Za-z0-9_\-]{16,}",
            r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
            r"\bhf_[A-Za-z0-9]{20,}\b",
            r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{16,}",
            r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
            r"(?i:\b(?:bearer|basic)\s+)(?=[^\s]*[0-9=])[A-Za-z0-9._~+/\-]{8,}=*",
            (
                rf"(?i:\b(?:x-)?(?:{_NAMES})['\"\\]*\s*[:=]\s*['\"\\]*(?:(?:bearer|basic|token|digest)\s+)?)"
                r"[^\s'\"\\,;&}]{6,}"
            ),
            (
                r"(?i:\b(?:token|secret|pwd|credentials?|sig|signature)['\"\\]*\s?[:=]\s?['\"\\]*)"
                r"(?=[^\s'\"\\,;&}]*\d)[^\s'\"\\,;&}]{6,}"
            ),
            r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
        )
    )
)
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}\b")
_SECRET_KEY = re.compile(
    rf"(?:^|[._\-])(?:{_NAMES}|token|secret|pwd|credentials?|cookie|set-cookie|x-api-key)$", re.IGNORECASE
)


def without_secrets(text: str, *, emails: bool = False) -> str:
    """A text with what looks like a secret taken out; addresses of people too, if asked."""
    found = _SECRETS.sub(REMOVED, text)
    return _EMAIL.sub(ADDRESS_REMOVED, found) if emails and "@" in found else found


def names_a_secret(key: str) -> bool:
    """Whether the name of an attribute says that its value is a secret, whatever that looks like."""
    return _SECRET_KEY.search(key) is not None
