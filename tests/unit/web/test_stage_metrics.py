"""Distributions and trends of stages."""

from __future__ import annotations

import pytest

from exporter.web.answers.stage_metrics import DAY, distribution, trend


def test_a_distribution_is_linear_between_neighbours() -> None:
    found = distribution([float(n) for n in range(101)])
    assert (found.mean, found.p50, found.p95, found.p99) == (50, 50, 95, 99)
    assert (found.minimum, found.maximum) == (0, 100)


def test_nothing_has_no_distribution() -> None:
    assert distribution([]).mean is None


def test_a_line_has_its_slope() -> None:
    found = trend([(day * DAY, 10.0 + 2 * day) for day in range(11)])
    assert found.slope_per_day == pytest.approx(2)
    assert found.change_ratio == pytest.approx(1)
    assert found.direction == "rising"
    assert (found.minimum, found.average, found.maximum) == (10, 20, 30)


def test_small_moves_are_steady_and_falls_are_told() -> None:
    assert trend([(0, 100.0), (DAY, 105.0)]).direction == "steady"
    assert trend([(0, 100.0), (DAY, 50.0)]).direction == "falling"


@pytest.mark.parametrize("points", [[], [(0, 1.0)], [(5, 1.0), (5, 2.0)]])
def test_one_instant_has_no_slope(points: list[tuple[int, float]]) -> None:
    assert trend(points).slope_per_day is None
