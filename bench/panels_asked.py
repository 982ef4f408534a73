"""What Grafana asks Prometheus and PostgreSQL for when somebody opens a dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.support.boards import Json, panels, promql, sql

SECOND = 1000
SCREEN = 1600
"""Pixels across: a panel asks for a point a pixel."""
GRID = 24

_NICE = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000),
    (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (150_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (64_800_000, 43_200_000), (604_800_000, 86_400_000),
)  # fmt: skip
"""Grafana's: an interval in ms below the first becomes the second."""
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}


@dataclass(frozen=True, slots=True)
class Range:
    """The time that a dashboard shows, in ms, and how often its datasource is scraped."""

    start: int
    end: int
    scrape: int

    @property
    def span(self) -> int:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Request:
    """One request of Prometheus' HTTP API."""

    place: str
    path: str
    parameters: Mapping[str, str]


def variable_requests(board: Json, range_: Range, values: Mapping[str, str]) -> Iterator[Request]:
    """What its variables ask, one after the other."""
    window = {"start": _seconds(range_.start), "end": _seconds(range_.end)}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and variable["datasource"]["type"] == "prometheus":
            inside = re.fullmatch(r"label_values\((.*), *(\w+)\)", variable["definition"])
            assert inside, variable["definition"]
            match = promql(inside[1], values)
            yield Request(
                f"variable {variable['name']}", f"label/{inside[2]}/values", {"match[]": match, **window}
            )


def panel_requests(board: Json, range_: Range, values: Mapping[str, str]) -> list[list[Request]]:
    """What its panels ask, those in folded rows too: a list each."""
    asked = [list(_of_panel(panel, range_, values)) for panel in panels(board)]
    return [requests for requests in asked if requests]


def panel_queries(board: Json, span: int, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The SQL of its panels over so many ms up to now, by their titles."""
    for panel in panels(board):
        shown = _milliseconds(panel.get("timeFrom") or "") or span
        step = max(nice(shown / _points(panel)), _milliseconds(panel.get("interval") or ""))
        for target in panel.get("targets", []):
            if "rawSql" in target and not target.get("hide"):
                since = f"{shown // SECOND} seconds"
                yield panel["title"], sql(target["rawSql"], values, since=since, step=step // SECOND)


def _points(panel: Json) -> int:
    points: int = panel.get("maxDataPoints") or SCREEN * panel["gridPos"]["w"] // GRID
    return points


def _of_panel(panel: Json, range_: Range, values: Mapping[str, str]) -> Iterator[Request]:
    points = _points(panel)
    if own := panel.get("timeFrom"):
        range_ = replace(range_, start=range_.end - _milliseconds(own))
    for target in panel.get("targets", []):
        if not target.get("expr") or target.get("hide"):
            continue
        # A target's own interval is how often its series are sampled, and Grafana then looks at no other.
        own = _milliseconds(target.get("interval") or "")
        sampled = own or range_.scrape
        step = max(nice(range_.span / points), own or _milliseconds(panel.get("interval") or ""), sampled)
        query = promql(target["expr"], values, _windows(step, sampled, range_.span))
        place = f"{panel['title']} {target['refId']}".strip()
        if target["instant"]:
            yield Request(place, "query", {"query": query, "time": _seconds(range_.end)})
        else:
            start, end = (time // step * step for time in (range_.start, range_.end))
            times = {"start": _seconds(start), "end": _seconds(end), "step": _seconds(step)}
            yield Request(place, "query_range", {"query": query, **times})


def nice(interval: float) -> int:
    """An interval as Grafana rounds it, in ms."""
    return next(rounded for bound, rounded in _NICE if interval < bound)


def _windows(step: int, sampled: int, span: int) -> Mapping[str, str]:
    rate = max(step + sampled, 4 * sampled)
    return {
        "$__rate_interval_ms": str(rate),
        "$__rate_interval": f"{rate // SECOND}s",
        "$__interval_ms": str(step),
        "$__interval": f"{step // SECOND}s",
        "$__range_s": str(span // SECOND),
        "$__range": f"{span // SECOND}s",
    }


def _milliseconds(duration: str) -> int:
    return int(duration[:-1]) * _UNITS[duration[-1]] if duration else 0


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / SECOND:.3f}"
