"""How the attempts of a stage add up: numbers, times, what the source settled, and what there is to count."""

from __future__ import annotations

from exporter.domain.lifecycle import Episode, episodes
from exporter.domain.status import ACTIVE, Status
from exporter.store.records import SETTLED, Attempt, End, Instance, Standing


def resolve(instance: Instance, *, execution_ended: bool) -> Standing:
    """Set the derived columns of all attempts of a stage and tell what they add up to."""
    settled = instance.attempts.get(SETTLED)
    real = _numbered([a for key, a in instance.attempts.items() if key != SETTLED and not a.silent])
    standing = Standing()
    before: int | None = None
    for attempt in real:
        found = episodes(attempt.marks) or [Episode()]
        is_last = attempt is real[-1]
        if is_last and settled is not None and not instance.void:
            _overrule(found[-1], settled, before)
        before = found[-1].ended_at
        _show(attempt, found[-1], last=is_last)
        standing.ends += [End(e.status, e.duration, e.ended_at) for e in found if e.ended_at is not None]
        standing.retries += len(found)
        standing.items_in += attempt.items_in or 0
        standing.items_out += attempt.items_out or 0
        standing.cpu_seconds += attempt.cpu_seconds or 0.0
    if any(attempt.attempt == 1 for attempt in real):
        standing.retries -= 1
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
    last = real[-1] if real else settled
    standing.status = None if last is None else last.status
    return standing


def _numbered(attempts: list[Attempt]) -> list[Attempt]:
    """Attempts in order; those whose number no source told are numbered by their start, behind the told ones."""
    untold = [attempt for attempt in attempts if attempt.attempt_key.startswith("id:")]
    if not untold:
        return attempts if len(attempts) < 2 else sorted(attempts, key=lambda attempt: attempt.attempt)
    told = [attempt for attempt in attempts if not attempt.attempt_key.startswith("id:")]
    untold.sort(key=lambda attempt: (_start(attempt), attempt.attempt_key))
    first = max((attempt.attempt for attempt in told), default=0) + 1
    for number, attempt in enumerate(untold, first):
        attempt.attempt = number
    return sorted(told, key=lambda attempt: attempt.attempt) + untold


def _start(attempt: Attempt) -> int:
    found = episodes(attempt.marks)
    started = found[0].started_at if found else None
    return attempt.first_at if started is None else started


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


def _show(attempt: Attempt, episode: Episode, *, last: bool) -> None:
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
