"""The dashboards, one module each with a function `board()`. A module that is added here is written like the others."""

from __future__ import annotations

import importlib
import pkgutil

from dashboards.grafana.dashboard import Dashboard


def all_boards() -> list[Dashboard]:
    """Every dashboard, by the names of their modules."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    return [module.board() for module in modules if hasattr(module, "board")]
