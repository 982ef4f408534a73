"""How fields look: units, widths, cells, colours, links. One function for columns of tables and series of charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.grafana.json import Json

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on, which colour. The first is None: from the lowest."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads."""

    title: str
    url: str
    one_click: bool = True

    def to_json_data(self) -> Json:
        return {"title": self.title, "url": self.url, "oneClick": self.one_click or None}


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def mapping(words: Iterable[tuple[str, str, str | None]]) -> list[Json]:
    """Value mappings: value, the text shown for it, its colour."""
    options = {
        value: {"text": text, **({"color": color} if color else {}), "index": index}
        for index, (value, text, color) in enumerate(words)
    }
    return [{"type": "value", "options": options}]


def style(
    *,
    unit: str | None = None,
    decimals: int | None = None,
    min: float | None = None,
    max: float | None = None,
    no_value: str | None = None,
    name: str | None = None,
    steps: Steps | None = None,
    mappings: list[Json] | None = None,
    color: str | None = None,
    color_mode: str | None = None,
    links: Sequence[Link] = (),
    cell: str | Json | None = None,
    width: int | None = None,
    min_width: int | None = None,
    align: str | None = None,
    wrap: bool | None = None,
    inspect: bool | None = None,
    hidden: bool | None = None,
    **custom: object,
) -> Json:
    """Properties of fields by their id, `custom.` ones included; what is not given is left to Grafana.

    `color` is one fixed colour; with `steps` and no `color` the thresholds colour. `cell` is a table's cell type,
    or its options. `hidden` takes a column off the picture and keeps it for links. `custom`: any other property
    that begins with `custom.`.
    """
    if isinstance(cell, str):
        cell = {"type": cell}
    coloring = {"mode": "fixed", "fixedColor": color} if color else None
    if coloring is None and (color_mode or steps):
        coloring = {"mode": color_mode or "thresholds"}
    found: Json = {
        "unit": unit,
        "decimals": decimals,
        "min": min,
        "max": max,
        "noValue": no_value,
        "displayName": name,
        "thresholds": thresholds(steps) if steps else None,
        "mappings": mappings,
        "color": coloring,
        "links": [link.to_json_data() for link in links] or None,
        "custom.cellOptions": cell,
        "custom.width": width,
        "custom.minWidth": min_width,
        "custom.align": align,
        "custom.wrapText": wrap,
        "custom.inspect": inspect,
        "custom.hideFrom.viz": hidden,
        **{f"custom.{key}": value for key, value in custom.items()},
    }
    return {key: value for key, value in found.items() if value is not None}


def defaults(properties: Json) -> Json:
    """The same properties as a panel's field defaults, where `custom.a.b` is nested."""
    nested: Json = {}
    for key, value in properties.items():
        place = nested
        *outer, last = key.split(".")
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def by_name(name: str, /, **properties: Any) -> Json:
    """Override of the field with this name."""
    return _override("byName", name, properties)


def by_regex(pattern: str, /, **properties: Any) -> Json:
    """Override of the fields whose name fits the pattern."""
    return _override("byRegexp", f"/{pattern}/", properties)


def _override(matcher: str, options: str, properties: Json) -> Json:
    found = style(**properties)
    return {
        "matcher": {"id": matcher, "options": options},
        "properties": [{"id": key, "value": value} for key, value in found.items()],
    }
