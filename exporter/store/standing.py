"""How the attempts of a stage add up: numbers, times, what the source settled, and what there is to count.

An attempt told by one number may have begun several times, where its execution ran again under its own id and was
numbered from 1 again. Each such try is an attempt of its own, and the last one by time is what the stage shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from exporter.domain.lifecycle import Episode, episodes
from exporter.domain.status import ACTIVE, Status
from exporter.store.records import SETTLED, Attempt, End, Instance, Standing, encode
from exporter.store.state import Fact


class Try(NamedTuple):
    """One attempt of a stage, in the order of all; `row` is where it stands with others told by the same number."""

    number: int
    row: Attempt
    episode: Episode


def resolve(instance: Instance, *, execution_ended: bool) -> Standing:
    """Set the derived columns of all attempts of a stage and tell what they add up to."""
    settled = instance.attempts.get(SETTLED)
    rest = instance.put_by
    rows = [a for key, a in instance.attempts.items() if key != SETTLED and not a.silent]
    real = tries(rows, after=0 if rest is None else rest.number)
    if real and settled is not None and not instance.void:
        _overrule(real[-1].episode, settled, real[-2].episode.ended_at if len(real) > 1 else None)
    for each in real:
        _show(each, last=each.row is real[-1].row)
    standing = _counted(real, None if rest is None else rest.end)
    if settled is not None:
        _show_settled(settled, visible=not real and not instance.void)
        if not real and not instance.void:
            assert settled.own_status is not None
            standing.ends.append(End(Status(settled.own_status), settled.duration, settled.ended_at))
    for attempt in instance.attempts.values():
        if attempt.attempt_key != SETTLED and attempt.silent:
            attempt.own_status = None
        attempt.status = attempt.own_status
        if execution_ended and attempt.status in ACTIVE:
            attempt.status = "lost"
        standing.active += attempt.status in ACTIVE
    last = real[-1].row if real else settled
    standing.status = None if last is None else last.status
    return standing


def tries(rows: list[Attempt], after: int = 0) -> list[Try]:
    """Attempts in order and numbered: as told, and behind those the ones that nobody numbered, by their start.

    If any of them began more than once, all are in the order of time, and what was told by a number that another has
    had by then is numbered on. `after`: number of the one before them all.
    """
    told = [(row, episodes(row.marks) or [Episode()]) for row in rows]
    if len(told) > 1:
        told.sort(key=lambda each: _order(*each))
    found = [(row, episode) for row, mine in told for episode in mine]
    if len(found) > len(told):
        began = [at for row, mine in told for at in accumulate((_began(row, one) for one in mine), max)]
        order = sorted(range(len(found)), key=began.__getitem__)
        found = [found[position] for position in order]
    numbered: list[Try] = []
    for row, episode in found:
        before = numbered[-1].number if numbered else after
        numbered.append(Try(max(row.told_number, before + 1), row, episode))
    return numbered


def order_of(row: Attempt) -> tuple[bool, int, int, str]:
    """Place of an attempt among others, each of which began once."""
    return _order(row, episodes(row.marks) or [Episode()])


def _order(row: Attempt, found: list[Episode]) -> tuple[bool, int, int, str]:
    number, started = row.told_number, found[0].started_at
    return not number, number, row.first_at if started is None else started, row.attempt_key


def _began(row: Attempt, episode: Episode) -> int:
    times = (episode.started_at, episode.queued_at, episode.ended_at, row.first_at)
    return next(time for time in times if time is not None)


def _counted(real: list[Try], earlier: End | None) -> Standing:
    """What there is to count of attempts, behind an end that was counted earlier."""
    standing = Standing(ends=[] if earlier is None else [earlier])
    items: dict[str, tuple[int, int]] = {}
    for _, row, episode in real:
        if episode.ended_at is not None:
            standing.ends.append(End.of(episode))
        items_in, items_out = items.get(row.attempt_key, (0, 0))
        items[row.attempt_key] = (items_in + episode.items_in, items_out + episode.items_out)
    for row in {each.row.attempt_key: each.row for each in real}.values():
        items_in, items_out = items[row.attempt_key]
        standing.items_in += max(items_in, row.items_in or 0)
        standing.items_out += max(items_out, row.items_out or 0)
        standing.cpu_seconds += row.cpu_seconds or 0.0
    is_first_known = any(1 in (each.number, each.row.told_number) for each in real)
    standing.retries = len(real) - is_first_known
    return standing


def _overrule(episode: Episode, settled: Attempt, before: int | None) -> None:
    """What was settled is right about a last attempt that began before it was said. `before`: end of the one before.

    Its duration is the source's own figure: the start moves, as sources tell of a start late, or the end where the
    start would come to lie before the attempt before.
    """
    fact = settled.facts.told["settled"]
    if episode.started_at is not None and episode.started_at > fact.time:
        return
    duration = fact.value["duration"]
    if episode.ended_at is None:
        start = episode.started_at
        episode.ended_at = fact.time if start is None or duration is None else start + duration
    elif duration is not None:
        start = episode.ended_at - duration
        if before is None or episode.started_at is None or start >= before:
            episode.started_at = start
        else:
            episode.ended_at = episode.started_at + duration
    episode.status = Status(fact.value["status"])
    episode.word = fact.value["word"] or episode.word


def _show(each: Try, *, last: bool) -> None:
    number, attempt, episode = each
    attempt.attempt = number
    attempt.last = last
    attempt.own_status = episode.status.value
    attempt.source_status = episode.word or None
    attempt.queued_at = episode.queued_at
    attempt.started_at = episode.started_at
    attempt.ended_at = episode.ended_at
    attempt.duration = episode.duration


def _show_settled(settled: Attempt, *, visible: bool) -> None:
    told = settled.facts.get("settled")
    status = Status(told["status"])
    settled.attempt = 0 if status is Status.SKIPPED else 1
    settled.last = visible
    settled.own_status = status.value if visible else None
    settled.source_status = told["word"]
    settled.duration = told["duration"]


def final_error(attempts: Iterable[Attempt], earlier: Fact | None = None) -> Fact | None:
    """The latest error of attempts, and of one told earlier, after which no other attempt was announced."""
    told = [] if earlier is None else [earlier]
    for attempt in attempts:
        error, final = attempt.facts.told.get("error"), attempt.facts.told.get("failed_for_good")
        if error is not None and final is not None and final.time == error.time:
            told.append(error)
    return max(told, key=lambda fact: (fact.time, encode(fact.value)), default=None)
