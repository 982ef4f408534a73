"""The few series of many that a chart shows: chosen by the whole time range, so that lines do not come and go."""

from __future__ import annotations

from collections.abc import Iterable


def largest(number: int, expr: str, by: Iterable[str], ranking: str) -> str:
    """The series of a query for which `ranking`, of the same labels and the same at each point, is largest."""
    return _chosen("topk", number, expr, by, ranking)


def highest(number: int, expr: str, by: Iterable[str]) -> str:
    """The series that were highest at any time."""
    return _chosen("topk", number, expr, by, peak(expr))


def lowest(number: int, expr: str, by: Iterable[str]) -> str:
    """The series that were lowest on average."""
    return _chosen("bottomk", number, expr, by, _over_the_range("avg", expr))


def peak(expr: str) -> str:
    """The highest value of each series of the query within the time range."""
    return _over_the_range("max", expr)


def _chosen(choice: str, number: int, expr: str, by: Iterable[str], ranking: str) -> str:
    return f"({expr}) and on ({', '.join(by)}) {choice}({number}, {ranking})"


def _over_the_range(figure: str, expr: str) -> str:
    return f"{figure}_over_time(({expr})[$__range:$__interval] @ end())"
