"""What a set of events adds up to, by the rules of the interface: plain, slow, in memory, in any order.

Nothing here is shared with the code under test but the events and the words for statuses. The rules:

1. An event counts once, however often it comes. Order of arrival means nothing.
2. An execution is named by namespace, environment, pipeline and the source's run id. What is known of it are
   marks: a time and what happened then. Sorted by time (at one instant: queued, started, paused, resumed,
   finished) they fall into episodes: `queued`, `started` or `resumed` after an end begins the next one,
   unless that end was conclusive. Nor does a `queued` or `started` within five minutes after the very last end
   if nothing tells of a start (of `queued`: or of a wait) before that end: it is that end's own, by another clock.
3. Of two ends in one episode, the later is right; at one instant, a failure.
4. An episode began at its earliest start, or when its end says it did, and ended when its end says.
5. The last episode is what the execution shows: the end's status, else paused if that was the last mark, else
   queued if nothing else is known, else running. An execution that is only known by its stages, or by other
   signs of life, runs.
6. An attempt of a stage is made of marks in the same way. Attempts are told apart by number, else by id, and
   those known by id are numbered after the others, by start. Each episode is an attempt; if any number or id has
   several, time orders them all (from start, else wait, else end), and they are numbered on from the one before.
   What was told by one number or id is shown by its last episode. A stage shows its last attempt.
7. A settlement speaks of a stage as a whole, once its execution is over; the latest counts. It stands for a
   stage that has no attempts and no mapped instances. It overrules the status of a last attempt that began
   before it was spoken, and its duration is right: the start moves, as sources send a start late, or the end
   where the start would come to lie before the attempt before.
8. What still runs when its execution is over is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from exporter.domain import events as e
from exporter.domain.events import Event
from exporter.domain.status import ACTIVE, FAILING, Status, status_of_word

Path = tuple[str, ...]
Place = tuple[Path, str | None]


@dataclass
class ModelEpisode:
    """From a start to an end, or to now."""

    status: Status = Status.RUNNING
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    conclusive: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds; an end before its start is no time at all."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())


@dataclass
class ModelAttempt:
    """One attempt of a stage, by its last episode."""

    number: int
    episode: ModelEpisode

    @property
    def status(self) -> Status:
        return self.episode.status

    @property
    def duration(self) -> float | None:
        return self.episode.duration


@dataclass
class ModelStage:
    """A stage, or a mapped instance of it. `duration` in seconds; no `attempts` if it was only settled.
    `before`: when the attempt before the last ended."""

    status: Status
    duration: float | None
    attempts: list[ModelAttempt] = field(default_factory=list)
    depends_on: frozenset[str] = frozenset()
    before: datetime | None = None


@dataclass
class ModelExecution:
    """An execution and its stages, each by its path and its index."""

    pipeline: str
    environment: str
    external_id: str
    status: Status
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    ends: int
    stages: dict[Place, ModelStage]

    @property
    def duration(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds())


Key = tuple[str, str, str, str]


def executions(events: Iterable[Event]) -> dict[Key, ModelExecution]:
    """All executions, by namespace, environment, pipeline and run id."""
    once = {event.identity: event for event in events}
    grouped: dict[Key, list[Event]] = {}
    for event in once.values():
        payload = event.payload
        if isinstance(payload, e.ExecutionPayload):
            key = (event.namespace, payload.environment, payload.pipeline, payload.execution)
            grouped.setdefault(key, []).append(event)
    return {key: _execution(key, mine) for key, mine in grouped.items()}


def _execution(key: Key, events: list[Event]) -> ModelExecution:
    found = _episodes([event for event in events if isinstance(event.payload, e.ExecutionState)])
    last = found[-1] if found else ModelEpisode()
    stages = _stages(events)
    for stage in stages.values():
        if last.status not in ACTIVE:
            if stage.status in ACTIVE:
                stage.status = Status.LOST
            for attempt in stage.attempts:
                if attempt.status in ACTIVE:
                    attempt.episode.status = Status.LOST
    _, environment, pipeline, run = key
    return ModelExecution(
        pipeline=pipeline,
        environment=environment,
        external_id=run,
        status=last.status,
        queued_at=last.queued_at,
        started_at=last.started_at,
        ended_at=last.ended_at,
        ends=sum(episode.ended_at is not None for episode in found),
        stages=stages,
    )


_ORDER: tuple[tuple[type[e.Payload], ...], ...] = (
    (e.ExecutionQueued, e.StageQueued),
    (e.ExecutionStarted, e.StageStarted),
    (e.ExecutionPaused,),
    (e.ExecutionResumed,),
    (e.ExecutionFinished, e.StageFinished),
)


def _rank(event: Event) -> tuple[datetime, int, bool]:
    payload = event.payload
    rank = next(n for n, kinds in enumerate(_ORDER) if isinstance(payload, kinds))
    failing = (
        isinstance(payload, e.ExecutionFinished | e.StageFinished) and _status(payload.status) in FAILING
    )
    return event.time, rank, failing


def _episodes(events: list[Event]) -> list[ModelEpisode]:
    """Rules 2 to 5."""
    marks = sorted((v for v in events if any(isinstance(v.payload, kinds) for kinds in _ORDER)), key=_rank)
    found: list[ModelEpisode] = []
    for position, mark in enumerate(marks):
        payload, time = mark.payload, mark.time
        all_over = not any(_is_end(later) for later in marks[position:])
        begins = not isinstance(payload, e.ExecutionPaused | e.ExecutionFinished | e.StageFinished)
        ended = bool(found) and found[-1].ended_at is not None
        own = ended and all_over and _is_own(payload, time, found[-1])
        if not found or (ended and begins and not own and not found[-1].conclusive):
            found.append(ModelEpisode(status=Status.QUEUED))
            ended = False
        episode = found[-1]
        if isinstance(payload, e.ExecutionFinished | e.StageFinished):
            episode.status = _status(payload.status)
            episode.ended_at = time
            episode.conclusive = episode.conclusive or payload.conclusive
            episode.queued_at = payload.queued_at or episode.queued_at
            episode.started_at = payload.started_at or episode.started_at
            continue
        if isinstance(payload, e.ExecutionQueued | e.StageQueued):
            episode.queued_at = episode.queued_at or time
        elif not isinstance(payload, e.ExecutionPaused):
            episode.started_at = episode.started_at or time
        if not ended:
            episode.status = _after(payload, episode.status)
    return found


def _is_end(mark: Event) -> bool:
    return isinstance(mark.payload, e.ExecutionFinished | e.StageFinished)


def _is_own(payload: e.Payload, time: datetime, episode: ModelEpisode) -> bool:
    """Whether a start stamped after an end is nevertheless how that began."""
    assert episode.ended_at is not None
    if isinstance(payload, e.ExecutionResumed) or time - episode.ended_at > timedelta(minutes=5):
        return False
    if episode.started_at is not None and episode.started_at <= episode.ended_at:
        return False
    waits = isinstance(payload, e.ExecutionQueued | e.StageQueued)
    return not (waits and episode.queued_at is not None and episode.queued_at <= episode.ended_at)


def _after(payload: e.Payload, before: Status) -> Status:
    if isinstance(payload, e.ExecutionQueued | e.StageQueued):
        return before
    return Status.PAUSED if isinstance(payload, e.ExecutionPaused) else Status.RUNNING


def _stages(events: list[Event]) -> dict[Place, ModelStage]:
    told: dict[Place, list[Event]] = {}
    settled: dict[Place, list[Event]] = {}
    for event in events:
        payload = event.payload
        if isinstance(payload, e.StagePayload):
            place = ((*payload.parent, payload.stage), None if payload.index is None else str(payload.index))
            where = settled if isinstance(payload, e.StageSettled) else told
            where.setdefault(place, []).append(event)
    mapped = {path for path, index in told if index is not None}
    stages = {place: _stage(mine) for place, mine in told.items()}
    for place, mine in settled.items():
        path, index = place
        if index is None and path in mapped:
            continue
        _settle(stages, place, max(mine, key=lambda event: (event.time, event.identity)))
    return stages


def _stage(events: list[Event]) -> ModelStage:
    """Rule 6."""
    numbered: dict[int, list[Event]] = {}
    named: dict[str, list[Event]] = {}
    depends_on: set[str] = set()
    for event in events:
        payload = event.payload
        assert isinstance(payload, e.StageState)
        depends_on.update(payload.depends_on or ())
        if payload.attempt is None and payload.attempt_id is not None:
            named.setdefault(payload.attempt_id, []).append(event)
        else:
            numbered.setdefault(payload.attempt or 1, []).append(event)
    by_start = sorted(named.items(), key=lambda item: (_began(item[1]), item[0]))
    told = [(number, numbered[number]) for number in sorted(numbered)] + [(0, mine) for _, mine in by_start]
    parts = [(number, _episodes(mine) or [ModelEpisode()], mine) for number, mine in told]
    tries = [(number, episode, mine) for number, found, mine in parts for episode in found]
    if len(tries) > len(parts):
        tries.sort(key=lambda each: _order(each[1], each[2]))
    shown: dict[int, ModelAttempt] = {}
    after = 0
    for number, episode, mine in tries:
        after = max(number, after + 1)
        shown.pop(id(mine), None)
        shown[id(mine)] = ModelAttempt(after, episode)
    attempts = list(shown.values())
    before = tries[-2][1].ended_at if len(tries) > 1 else None
    last = attempts[-1]
    return ModelStage(last.status, last.duration, attempts, frozenset(depends_on), before)


def _order(episode: ModelEpisode, events: list[Event]) -> datetime:
    return episode.started_at or episode.queued_at or episode.ended_at or min(event.time for event in events)


def _began(events: list[Event]) -> datetime:
    found = _episodes(events)
    started = found[0].started_at if found else None
    return started or min(event.time for event in events)


def _settle(stages: dict[Place, ModelStage], place: Place, event: Event) -> None:
    """Rule 7."""
    payload = event.payload
    assert isinstance(payload, e.StageSettled)
    status = _status(payload.status)
    stage = stages.get(place)
    if stage is None:
        stages[place] = ModelStage(status, payload.duration_seconds)
        return
    episode = stage.attempts[-1].episode
    if episode.started_at is not None and episode.started_at > event.time:
        return
    took = None if payload.duration_seconds is None else timedelta(seconds=payload.duration_seconds)
    if episode.ended_at is None:
        told = None if took is None or episode.started_at is None else episode.started_at + took
        episode.ended_at = told or event.time
    elif took is not None:
        before = stage.before
        if before is None or episode.started_at is None or episode.ended_at - took >= before:
            episode.started_at = episode.ended_at - took
        else:
            episode.ended_at = episode.started_at + took
    episode.status = stage.status = status
    stage.duration = episode.duration


def _status(word: str) -> Status:
    status = status_of_word(word)
    assert status is not None, word
    return status
