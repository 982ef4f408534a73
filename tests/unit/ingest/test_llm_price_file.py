"""A price file that changes while the server runs."""

from __future__ import annotations

import logging
import os
from datetime import date
from pathlib import Path

import pytest

from exporter.domain.events import LlmCalled
from exporter.exposition import OwnMetrics
from exporter.ingest.llm.price_file import PriceFile

DAY = date(2026, 11, 22)


class Told:
    """What the file's observer was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def source_known(self, source: str) -> None:
        self.said.append(f"{source} known")

    def source_up(self, source: str, at: float) -> None:
        self.said.append(f"{source} up {at:.0f}")

    def source_down(self, source: str, reason: str) -> None:
        self.said.append(f"{source} down {reason}")


def written(file: Path, price: object, *, at: int) -> None:
    file.write_text(f"currency: USD\nmodels: [{{model: '*', input: {price}}}]\n")
    os.utime(file, (at, at))


def cost(prices: PriceFile) -> float | None:
    call = LlmCalled(pipeline="p", provider="o", request_model="m", input_tokens=1_000_000)
    return prices().cost_usd(call, DAY)


def test_an_edit_holds_for_calls_that_follow(tmp_path: Path) -> None:
    file, observer = tmp_path / "prices.yml", Told()
    written(file, 1, at=100)
    prices = PriceFile(str(file), observer, now=lambda: 7)
    prices.look()
    assert cost(prices) == 1
    written(file, 2, at=200)
    prices.look()
    assert cost(prices) == 2
    assert observer.said == ["llm-prices known", "llm-prices up 7", "llm-prices up 7"]


def test_a_mistake_leaves_the_prices_that_held_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, observer = tmp_path / "prices.yml", Told()
    written(file, 1, at=100)
    prices = PriceFile(str(file), observer, now=lambda: 7)
    written(file, "cheap", at=200)
    with caplog.at_level(logging.WARNING):
        prices.look()
        prices.look()
    assert cost(prices) == 1
    assert observer.said[-1] == "llm-prices down row"
    (line,) = caplog.records
    assert "line 2: /models/0/input" in line.__dict__["reason"]
    written(file, 3, at=300)
    prices.look()
    assert cost(prices) == 3
    assert observer.said[-1] == "llm-prices up 7"


def test_a_file_that_is_gone_leaves_the_prices_that_held(tmp_path: Path) -> None:
    file, observer = tmp_path / "prices.yml", Told()
    written(file, 1, at=100)
    prices = PriceFile(str(file), observer)
    file.unlink()
    prices.look()
    assert cost(prices) == 1
    assert observer.said[-1] == "llm-prices down row"


def test_another_file_put_in_its_place_is_an_edit(tmp_path: Path) -> None:
    file, other = tmp_path / "prices.yml", tmp_path / "other.yml"
    written(file, 1, at=100)
    prices = PriceFile(str(file), Told())
    written(other, 2, at=100)
    other.rename(file)
    prices.look()
    assert cost(prices) == 2


def test_it_is_shown_as_a_source(tmp_path: Path) -> None:
    file, own = tmp_path / "prices.yml", OwnMetrics(process=False)
    written(file, 1, at=100)
    with PriceFile(str(file), own, now=lambda: 7).watched():
        up = own.registry.get_sample_value("pipeline_exporter_source_up", {"source": "llm-prices"})
        assert up == 1
