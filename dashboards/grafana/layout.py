"""Where panels stand: strips of panels side by side, one below the other, on a grid 24 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.grafana.panels import Panel

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Strip:
    """Panels side by side, of one height."""

    height: int
    panels: tuple[tuple[int, Panel], ...]

    def __post_init__(self) -> None:
        width = sum(width for width, _ in self.panels)
        if width != COLUMNS:
            titles = ", ".join(panel.title for _, panel in self.panels)
            raise ValueError(f"the strip of {titles} is {width} columns wide, not {COLUMNS}")


@dataclass(frozen=True, slots=True)
class Section:
    """A titled row that folds its strips away."""

    title: str
    strips: tuple[Strip, ...]
    collapsed: bool = False


def strip(height: int, *panels: Panel | tuple[int, Panel]) -> Strip:
    """Panels side by side: each with its width, or all equally wide."""
    equal = COLUMNS // len(panels)
    return Strip(height, tuple((equal, panel) if isinstance(panel, Panel) else panel for panel in panels))


def figures(panels: Sequence[Panel]) -> list[Strip]:
    """Single figures, at most four in a strip: so wide that titles are whole on a window of 800 pixels."""
    strips = -(-len(panels) // 4)
    each = -(-len(panels) // strips)
    return [strip(3, *panels[first : first + each]) for first in range(0, len(panels), each)]


def section(title: str, *strips: Strip, collapsed: bool = False) -> Section:
    return Section(title, strips, collapsed)


def arranged(parts: Sequence[Strip | Section]) -> list[Panel]:
    """The panels with their places and ids, from top to bottom."""
    placed: list[Panel] = []
    y = 0
    for part in parts:
        if isinstance(part, Strip):
            y = _place(part, y, placed)
            continue
        row = Panel(type="row", title=part.title, description="", collapsed=part.collapsed)
        row.gridPos = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        placed.append(row)
        y += 1
        inside = row.panels if part.collapsed else placed
        below = y
        for each in part.strips:
            below = _place(each, below, inside)
        y = y if part.collapsed else below
    for number, panel in enumerate(_every(placed), start=1):
        panel.id = number
    return placed


def _place(part: Strip, y: int, into: list[Panel]) -> int:
    x = 0
    for width, panel in part.panels:
        panel.gridPos = {"h": part.height, "w": width, "x": x, "y": y}
        into.append(panel)
        x += width
    return y + part.height


def _every(panels: Sequence[Panel]) -> list[Panel]:
    return [each for panel in panels for each in (panel, *panel.panels)]
