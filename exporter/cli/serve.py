"""`pipeline-exporter serve`: the server, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from exporter import logs
from exporter.exposition.own import OwnMetrics
from exporter.ingest import otlp
from exporter.ingest.llm.price_file import PriceFile
from exporter.ingest.yaml_files import BadFile
from exporter.settings import SETTINGS, BadSetting, Settings, settings
from exporter.sources.service import Sources
from exporter.sources.source import BadSource, opened
from exporter.store import Store
from exporter.store.engine import BadDatabase, reason_of
from exporter.store.gather import Gatherer
from exporter.store.limits import Limits
from exporter.store.migrate import SchemaTooNew
from exporter.web.app import create_app

PATIENCE = 25
"""Seconds that requests under way may take after SIGTERM."""

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option a setting, and the file that may hold them all."""
    for setting in SETTINGS:
        parser.add_argument(f"--{setting.name}", metavar="VALUE", help=f"{setting.help} ({setting.variable})")
    parser.add_argument("--config", metavar="FILE", help="YAML file of settings (PIPELINE_EXPORTER_CONFIG)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    try:
        told = settings(
            vars(arguments), os.environ, arguments.config or os.environ.get("PIPELINE_EXPORTER_CONFIG")
        )
        own = OwnMetrics()
        prices = price_file(told, own)
        reader = otlp_reader(told, prices)
    except BadSetting as error:
        return _fail(str(error))
    logs.configure(told.log_format, told.log_level)
    listener: socket.socket | None = None
    try:
        listener = _listen(told.listen)
        read = [opened(setting) for setting in told.sources]
        store = _open(told, own, reader)
    except BadSource as error:
        return _fail(str(error))
    except (BadDatabase, SchemaTooNew) as error:
        return _fail(f"--database: {error}")
    except SQLAlchemyError as error:
        return _fail(f"--database: {reason_of(error)}")
    except OSError as error:
        return _fail(f"--listen: {error.strerror or error}")
    host, port = listener.getsockname()[:2]
    log.info("listening", extra={"url": f"http://{host if ':' not in host else f'[{host}]'}:{port}"})
    config = uvicorn.Config(
        create_app(told, store, own, reader, Sources(read, store, own, taken=reader.calls.taken)),
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
        timeout_keep_alive=75,
    )
    _collect_less_garbage()
    watched = contextlib.nullcontext() if prices is None else prices.watched()
    with watched, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(_Server(config), listener))
    log.info("stopped")
    return 0


def _collect_less_garbage() -> None:
    """Look through what stays as it is no more, and less often through what a group of events makes and drops."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _Server(uvicorn.Server):
    """Ends with exit code 0 on SIGTERM, as what it accepted is durable; uvicorn's own would die of the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    await server.serve(sockets=[listener])


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def price_file(told: Settings, own: OwnMetrics) -> PriceFile | None:
    """The prices of language models, if there is a file of them. Raises BadSetting."""
    try:
        return None if told.llm_prices is None else PriceFile(told.llm_prices, own)
    except BadFile as error:
        raise BadSetting(f"--llm-prices: {error}") from error


def otlp_reader(told: Settings, prices: PriceFile | None) -> otlp.Reader:
    """What reads spans, as the settings have it. Raises BadSetting."""
    try:
        mapping = None if told.otlp_mapping is None else otlp.mapping.read(told.otlp_mapping)
    except BadFile as error:
        raise BadSetting(f"--otlp-mapping: {error}") from error
    return otlp.Reader(
        mapping=mapping,
        prices=prices,
        llm_content=told.llm_content,
        emails=told.llm_emails == "remove",
    )


def limits_of(told: Settings) -> Limits:
    """What the store may keep, as the settings have it."""
    return Limits(
        series=told.series_limit,
        lost_after=told.lost_after,
        retention=told.retention,
        max_executions=told.max_executions,
        emails=told.llm_emails == "remove",
    )


def _open(told: Settings, own: OwnMetrics, reader: otlp.Reader) -> Store:
    return Store.open(
        told.database,
        limits_of(told),
        password=told.database_password,
        queue_limit=told.queue_limit,
        observer=own,
        gatherer=Gatherer(reader, patience=told.orphans_after),
    )


def _fail(message: str) -> int:
    print(f"pipeline-exporter: {message}", file=sys.stderr)
    return 2
