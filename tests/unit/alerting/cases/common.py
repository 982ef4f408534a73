"""Series that most cases share. Every case lasts two hours at most, unless it says otherwise."""

from __future__ import annotations

from exporter.catalogue import metrics as m
from tests.support.alerting import OWNER, PIPELINE, Series, together, told

ALERT = {**PIPELINE, "owner": OWNER}
"""Labels that an alert about the pipeline has."""
LONG = 2000
"""More samples than any case needs."""
NOW = f"0+60x{LONG}"
"""A timestamp that is always now."""


def steady(value: float) -> str:
    """The same all along."""
    return f"{value:g}x{LONG}"


def then(first: float, samples: int, second: float) -> str:
    """One value so many times, then another."""
    return f"{first:g}x{samples - 1} {second:g}x{LONG}"


def known(*, owner: str = OWNER, step: int = 1) -> Series:
    """A pipeline that is alive."""
    return together(
        told(m.PIPELINE_INFO, steady(1), kind="batch", owner=owner, source="cloudevents"),
        told(m.LAST_EVENT, f"0+{60 * step}x{LONG}"),
        told(m.FIRST_EVENT, steady(0)),
    )


def threshold(name: str, value: float) -> Series:
    """A threshold that the owner declared."""
    return told(m.ALERT_THRESHOLD, steady(value), threshold=name)
