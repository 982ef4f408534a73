"""The one that gets stuck, the one whose process dies, the one that is late or missed, the paused one."""

from __future__ import annotations

from exporter.demo.error import Error, go_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import argo, cron_job
from exporter.demo.pipeline import Fate, Pipeline, Schedule, Trouble
from exporter.demo.stage import Artifact, Stage, chain

LOCK_TIMEOUT = Error(
    type="LockNotAvailable",
    message=(
        'canceling statement due to lock timeout: relation "ledger_entries" is locked by pid 48213 '
        "(idle in transaction)"
    ),
    severity="critical",
    category="timeout",
    component="postgresql",
    context={
        "relation": "ledger_entries",
        "blocking_pid": 48213,
        "lock_timeout": "7min",
        "sqlstate": "55P03",
    },
)

WAL_GAP = Error(
    type="BackupError",
    message="WAL segment 00000001000004D2000000A7 is missing from the archive: no restore to a point behind it",
    category="processing",
    component="pgbackrest",
    severity="critical",
    trace=go_trace(
        ("main.verify(0xc0001a2000, {0xc00012c018, 0x18})", "/src/backup/verify.go:141 +0x4c5"),
        ("main.run({0xc000124000, 0x3})", "/src/backup/main.go:88 +0x2f1"),
        ("main.main()", "/src/backup/main.go:31 +0x5d"),
    ),
    context={"segment": "00000001000004D2000000A7", "archive": "s3://pg-archive/main"},
)


def _ledger(execution: Execution) -> Fate:
    turn = execution.number % (40 if execution.detailed else 170)
    if turn == 2:
        # Seven minutes in which nothing happens, while the next ones wait for it.
        stuck = Trouble(LOCK_TIMEOUT, status="timed_out", at=1.0)
        warning = ("lock_wait", "waiting for ShareRowExclusiveLock on ledger_entries, held by pid 48213")
        return Fate(
            slow={"match_entries": 46}, troubles={"match_entries": stuck}, warnings={"match_entries": warning}
        )
    if turn == 25:
        # Ends by itself, long after everybody wondered.
        return Fate(slow={"match_entries": 16})
    return Fate()


def _transcode(execution: Execution) -> Fate:
    turn = execution.number % (7 if execution.detailed else 45)
    if turn == 2:
        return Fate(
            dies_in="encode",
            warnings={
                "encode": ("memory_pressure", "resident memory at 94 % of the container's limit of 8 GiB")
            },
        )
    if turn == 5:
        return Fate(silent_in="encode", silence=40)
    return Fate()


def _transcode_parameters(execution: Execution) -> dict[str, object]:
    return {
        "video": f"upload-{48_200 + execution.serial}",
        "profile": execution.random.choice(["h264-1080p", "h264-720p", "av1-1080p"]),
        "priority": execution.random.randint(1, 5),
    }


def _archive_punctuality(number: int) -> float | None:
    turn = number % 9
    if turn in (2, 3):
        return None
    return 32.0 if turn in (5, 7) else 0.0


def _archive(execution: Execution) -> Fate:
    if execution.number % (17 if execution.detailed else 110) == 12:
        return Fate(troubles={"verify": Trouble(WAL_GAP)})
    return Fate(waits=execution.random.uniform(0.2, 9.0))


PIPELINES = (
    Pipeline(
        name="ledger-reconciliation",
        owner="finance-systems",
        description=(
            "Matches ledger entries with bank statements. Sometimes waits for a lock that nobody gives back."
        ),
        labels={"team": "finance", "tier": "1"},
        thresholds={"queue_wait_seconds": 120, "max_duration_seconds": 180},
        stages=chain(
            Stage("load_statements", 2, kind="sql", items=860, reads=5),
            Stage("load_ledger", 2.5, kind="sql", items=9100, reads=30),
            Stage(
                "match_entries",
                9,
                kind="sql",
                items=9100,
                keeps=0.994,
                cores=0.15,
                spread=0.08,
                says=(("debug", "{done} of {total} entries matched"),) * 3,
            ),
            Stage("book_differences", 1.5, kind="sql", items=55, writes=0.2),
        ),
        schedule=Schedule(every=50, timezone="Europe/Berlin", grace=25),
        first=11.0,
        identifier=cron_job,
        fate=_ledger,
    ),
    Pipeline(
        name="video-transcode",
        thresholds={"success_objective": 0.75},
        kind="media",
        owner="media",
        description="Transcodes uploads. Its workers are sometimes killed for want of memory.",
        labels={"team": "media", "tier": "2", "node_pool": "gpu-spot"},
        stages=chain(
            Stage("probe", 0.8, kind="ffprobe", reads=12, says=(("info", "h264 1920x1080 23.976 fps"),)),
            Stage(
                "encode",
                14,
                kind="ffmpeg",
                items=5400,
                cores=3.6,
                memory=6900,
                accelerator=2100,
                reads=900,
                writes=420,
                says=(("debug", "frame {done} of {total}"),) * 4,
            ),
            Stage(
                "package",
                3,
                kind="ffmpeg",
                writes=430,
                makes=(
                    Artifact(
                        "master.m3u8",
                        "s3://media-cdn/{id}/master.m3u8",
                        "application/vnd.apple.mpegurl",
                        0.02,
                    ),
                    Artifact("poster.jpg", "s3://media-cdn/{id}/poster.jpg", "image/jpeg", 0.3),
                ),
            ),
        ),
        arrivals=32,
        trigger="api",
        first=4.0,
        history_every=2100,
        overlaps=True,
        heartbeat=15,
        reports_progress=True,
        identifier=argo,
        parameters=_transcode_parameters,
        fate=_transcode,
    ),
    Pipeline(
        name="postgres-wal-archive",
        kind="maintenance",
        owner="dba",
        description=(
            "Archives and verifies the write-ahead log every minute. Its scheduler is overloaded: some starts are "
            "late or missed."
        ),
        labels={"team": "dba", "tier": "1", "cluster": "main"},
        stages=chain(
            Stage("switch_wal", 1, kind="pgbackrest"),
            Stage("copy", 9, kind="pgbackrest", items=640, cores=1.4, reads=2400, writes=1900, memory=380),
            Stage(
                "verify",
                4,
                kind="pgbackrest",
                items=640,
                cores=1.9,
                reads=1900,
                makes=(
                    Artifact(
                        "archive.manifest", "s3://pg-archive/main/{id}/archive.manifest", "text/plain", 0.8
                    ),
                ),
            ),
            Stage("expire_old", 1.2, kind="pgbackrest"),
        ),
        schedule=Schedule(every=60, cron="* * * * *", timezone="America/New_York", grace=15),
        first=8.0,
        identifier=cron_job,
        punctuality=_archive_punctuality,
        fate=_archive,
    ),
    Pipeline(
        name="legacy-sftp-import",
        owner="finance-systems",
        description="Fetches the old partner's files. Paused since the partner moved to the API.",
        labels={"team": "finance", "tier": "3"},
        stages=chain(Stage("fetch", kind="sftp"), Stage("parse"), Stage("load", kind="sql")),
        schedule=Schedule(every=300, cron="*/5 * * * *", timezone="Europe/London", grace=60),
        history_every=14_400,
        paused=True,
        identifier=cron_job,
    ),
)
