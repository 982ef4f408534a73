"""Addresses as they may be shown: who asks, and with which password, is nobody else's business."""

from __future__ import annotations

import re

_WHO = re.compile(r"([^/@]*//)?.*@", re.DOTALL)
"""All up to the last @: a password that was not escaped may hold any sign."""

_MORE = re.compile(r"[?#].*", re.DOTALL)
"""Parameters hold tokens as well."""


def without_secrets(address: str, most: int = 100) -> str:
    """A text, not too long; of an address neither its user and password nor its parameters."""
    if "//" not in address and "@" not in address:
        return address[:most]
    shown = _WHO.sub(lambda found: f"{found[1] or ''}…@", address, count=1)
    return _MORE.sub("?…", shown)[:most]
