"""Routes of the JSON API, one subject a module. Each has `router(...)`, which is given all that it needs."""

from __future__ import annotations

from fastapi import APIRouter

from exporter.web import paths
from exporter.web.reading import Reading
from exporter.web.routers import executions, jaeger, overview, pipelines, stages


def all_routers(reading: Reading) -> list[APIRouter]:
    """Routers of everything that is read."""
    paths.install()
    return [module.router(reading) for module in (executions, stages, pipelines, overview, jaeger)]
