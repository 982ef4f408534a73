"""What a mapping file may say: how rows, documents and files of a system become events.

These types are the mapping's JSON Schema as well (`mapping.schema.json` is written from them).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

EVENTS = ("cloudevents", "openlineage")
"""Formats whose lines are events as clients send them."""

LINES = ("jsonl", *EVENTS)
"""Formats of files that lines are added to."""

Constant: TypeAlias = str | int | float | bool


class Lookup(Struct, frozen=True, forbid_unknown_fields=True):
    """What is told elsewhere of a value: in the entry of `list` that has it at `key`, at `value`."""

    list: str
    key: str
    value: str


class Expression(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value comes from, and what is done to it. Exactly one of the first eight.

    `path`: column, or way into JSON: `a.b.0.c`; `*` is every entry, `-1` the last, `$` begins at the row or document,
    `@key` and `@position` are those of the entry itself, `@next` is the entry behind it, `@above` the one around it,
    `{x}` stands for the value of `x`. `join`: the texts of several values, one behind the other, if all are there.
    `latest` and `earliest`: `match` picks from each of the times. `newest`: the word whose time is the latest; of equal
    ones the first. `has`: nothing unless there is something at these paths. `plus`: added to a number.
    `minus`: seconds taken from a time.
    """

    path: str | None = None
    constant: Constant | None = None
    format: str | None = None
    first: list[Value] | None = None
    join: list[Value] | None = None
    latest: str | None = None
    earliest: str | None = None
    nth: str | None = None
    newest: dict[str, str] | None = None
    has: list[str] | None = None
    match: str | None = None
    words: dict[str, str] | None = None
    lookup: Lookup | None = None
    scale: float | None = None
    plus: float | None = None
    minus: Value | None = None


Value: TypeAlias = str | Expression


class ErrorMap(Struct, frozen=True, forbid_unknown_fields=True):
    """What went wrong. Without a message there is no error."""

    message: Value
    type: Value | None = None
    stacktrace: Value | None = None
    category: Value | None = None
    component: Value | None = None
    context: Value | None = None


class ParentMap(Struct, frozen=True, forbid_unknown_fields=True):
    """The run that started this one."""

    pipeline: Value
    execution: Value


class Quiet(Struct, frozen=True, forbid_unknown_fields=True):
    """What an unfinished run is taken for when nothing was told of it for a time: systems that never tell an end."""

    seconds: Annotated[float, Meta(gt=0)]
    status: str


class ExecutionMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run.

    `at`: when the row was last changed, for statuses that have no time of their own. `source_status`: the word to show,
    if it is not the one in `status`.
    """

    pipeline: Value
    execution: Value
    status: Value
    source_status: Value | None = None
    status_if_unknown: Value | None = None
    environment: Value | None = None
    queued_at: Value | None = None
    started_at: Value | None = None
    ended_at: Value | None = None
    duration_seconds: Value | None = None
    at: Value | None = None
    kind: Value | None = None
    trigger: Value | None = None
    parameters: Value | None = None
    labels: dict[str, Value] | None = None
    parent: ParentMap | None = None
    progress: Value | None = None
    link: Value | None = None
    error: ErrorMap | None = None
    quiet: Quiet | None = None


class StageMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attempt of a stage. `retry`: if it is true, another attempt follows this one.

    `conclusive`: an attempt that ran ends once, its number is never used again. A start that another way in tells of
    it later is its clock's fault.
    """

    pipeline: Value
    execution: Value
    stage: Value
    status: Value
    source_status: Value | None = None
    status_if_unknown: Value | None = None
    environment: Value | None = None
    index: Value | None = None
    parent: list[Value] | None = None
    attempt: Value | None = None
    queued_at: Value | None = None
    started_at: Value | None = None
    ended_at: Value | None = None
    duration_seconds: Value | None = None
    at: Value | None = None
    depends_on: Value | None = None
    items_in: Value | None = None
    items_out: Value | None = None
    retry: Value | None = None
    conclusive: bool = False
    kind: Value | None = None
    error: ErrorMap | None = None


class SettledMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said of a stage afterwards, without telling when it ran."""

    pipeline: Value
    execution: Value
    stage: Value
    status: Value
    environment: Value | None = None
    attempt: Value | None = None
    duration_seconds: Value | None = None
    time: Value | None = None


class GraphMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stages of a pipeline, told by a list. `depends_on`: those that each waits for; or `leads_to`: those behind it."""

    each: str
    stage: Value
    depends_on: Value | None = None
    leads_to: Value | None = None
    kind: Value | None = None


class PipelineMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a pipeline is. `cron` or `every_seconds`: when it is due."""

    pipeline: Value
    environment: Value | None = None
    kind: Value | None = None
    owner: Value | None = None
    description: Value | None = None
    paused: Value | None = None
    cron: Value | None = None
    every_seconds: Value | None = None
    timezone: Value | None = None
    labels: dict[str, Value] | None = None
    stages: GraphMap | None = None
    time: Value | None = None


class StreamMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What went through a stream. `operation` and `count` add up; `watermark` and `buffer_depth` are what is so.

    `so_far`: what adds up are totals since a beginning, and what they grew by since they were last read is told. Its
    value names the counter, where several of them are one stream, or one is begun anew.
    """

    pipeline: Value
    stream: Value
    environment: Value | None = None
    execution: Value | None = None
    direction: Value | None = None
    stage: Value | None = None
    operation: Value | None = None
    count: Value | None = None
    watermark: Value | None = None
    buffer_depth: Value | None = None
    dead_letters: Value | None = None
    latency_seconds: Value | None = None
    commits: Value | None = None
    files: Value | None = None
    bytes: Value | None = None
    target_rate: Value | None = None
    phase: Value | None = None
    time: Value | None = None
    so_far: Value | None = None


class LlmMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A call of a language model."""

    pipeline: Value
    provider: Value
    request_model: Value
    environment: Value | None = None
    execution: Value | None = None
    stage: Value | None = None
    response_model: Value | None = None
    operation: Value | None = None
    input_tokens: Value | None = None
    output_tokens: Value | None = None
    cached_tokens: Value | None = None
    duration_seconds: Value | None = None
    time_to_first_token_seconds: Value | None = None
    cost_usd: Value | None = None
    error: ErrorMap | None = None
    time: Value | None = None


class ArtifactMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that a run made."""

    pipeline: Value
    execution: Value
    name: Value
    environment: Value | None = None
    stage: Value | None = None
    uri: Value | None = None
    bytes: Value | None = None
    media_type: Value | None = None
    time: Value | None = None


class WarningMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that is worth a look."""

    pipeline: Value
    execution: Value
    message: Value
    environment: Value | None = None
    stage: Value | None = None
    code: Value | None = None
    time: Value | None = None


class LogMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of a run's log."""

    pipeline: Value
    execution: Value
    message: Value
    environment: Value | None = None
    stage: Value | None = None
    level: Value | None = None
    time: Value | None = None


class ResourcesMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run or one of its stages used."""

    pipeline: Value
    execution: Value
    environment: Value | None = None
    stage: Value | None = None
    attempt: Value | None = None
    cpu_seconds: Value | None = None
    memory_bytes: Value | None = None
    memory_peak_bytes: Value | None = None
    io_read_bytes: Value | None = None
    io_written_bytes: Value | None = None
    time: Value | None = None


class RecordsMap(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many records were found valid, and not, since the last check. `rule`: one that they were held against, with
    its `failures`."""

    pipeline: Value
    environment: Value | None = None
    execution: Value | None = None
    stream: Value | None = None
    stage: Value | None = None
    valid: Value | None = None
    invalid: Value | None = None
    completeness: Value | None = None
    rule: Value | None = None
    failures: Value | None = None
    time: Value | None = None


class Emit(Struct, frozen=True, forbid_unknown_fields=True):
    """What one row, or each entry of a list inside it, tells. Exactly one kind.

    `each`: the list. `newest_first`: it is walked from its end. `when`: only where these paths have one of these
    values; `unless`: not where one has. `has`: only where there is something at these paths.
    """

    each: str | None = None
    newest_first: bool = False
    when: dict[str, list[Constant | None]] | None = None
    unless: dict[str, list[Constant | None]] | None = None
    has: list[str] | None = None
    execution: ExecutionMap | None = None
    stage: StageMap | None = None
    settled: SettledMap | None = None
    pipeline: PipelineMap | None = None
    stream: StreamMap | None = None
    llm: LlmMap | None = None
    artifact: ArtifactMap | None = None
    warning: WarningMap | None = None
    log: LogMap | None = None
    resources: ResourcesMap | None = None
    records: RecordsMap | None = None


class Pages(Struct, frozen=True, forbid_unknown_fields=True):
    """How an API's list goes on: by a cursor in the answer (`next`), or by counting (`step`).

    A `step` shorter than a page lets pages overlap, for lists whose items move. `total`: where the answer says how
    many items there are.
    """

    parameter: str
    next: str | None = None
    step: Annotated[int, Meta(ge=1)] | None = None
    total: str | None = None


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    """An API's list can be asked for what has changed since a time: by this parameter.

    `begin_seconds`: how far back the first reading goes.
    """

    parameter: str
    begin_seconds: Annotated[float, Meta(gt=0, le=1e9)] = 604_800


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """An API gives a token to users: they `post` their name and password, in these fields, and `token` is where it is.

    Only if the URL names a user.
    """

    post: str
    user: str = "username"
    password: str = "password"
    token: str = "token"


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """Another document of an API's item: a path, to `get` or to `post` a `body` to; `{x}` is a value of the item.

    `when`: only of items where these paths have one of these values; `unless`: not where one has. `each`: one for
    every entry of a list of the item, whose values fill the path; what is put into the item is a list of `entry`, the
    entry `above` it, and `answer`. `below`: one for each whole number from 0 up to before this value, the last 16;
    it is `@number` in the path. `unchanging`: it is asked for once. `optional`: if it cannot be had, the item is told
    without it.
    """

    get: str | None = None
    post: str | None = None
    body: dict[str, Any] | None = None
    when: dict[str, list[Constant | None]] | None = None
    unless: dict[str, list[Constant | None]] | None = None
    each: str | None = None
    below: str | None = None
    unchanging: bool = False
    optional: bool = False


class Samples(Struct, frozen=True, forbid_unknown_fields=True):
    """Which samples of a Prometheus text make a row.

    `fields`: by field, a regular expression that a sample's whole name has to match; of several the greatest value
    counts. `times`: the same for fields that are times in seconds since 1970, of which 0 is none. Samples are of one
    row where their labels are the same, and what named groups of the expressions match. `parts`: labels that name a
    part of a row, such as its stage.
    """

    times: Annotated[dict[str, str], Meta(max_length=64)]
    fields: Annotated[dict[str, str], Meta(max_length=64)] = {}
    parts: list[str] = []


class Read(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to read again and again.

    `rows`: `states` are things whose row changes until they ended; `events` never change; `sums` never change and are
    added up; `now` is read whole each time.
    Databases: `table` or `query`, `key` (unique, in the order in which rows are made), `changed` (time of the last
    change). `database`: files beside the one of the URL, such as `runs/*.db`.
    APIs: `get` (path), `items` (where the list is), `pages`, `detail` (path of one item's document).
    Folders: `files` (pattern), `format`. Events as clients send them (`cloudevents`, `openlineage`) emit themselves.
    APIs: `get` (path) or `post` with its `body`, `items` (where the list is), `pages`, `detail` (path of one item's
    document), `documents` (further ones, by the name under which they are put into the item). `newest_by`: a time by
    which the list is sorted, newest first; it is read down to what was read before, less `settle_seconds`.
    `since`: a parameter by which only what has changed is asked for. Items and documents have `@url`, the API's
    address.
    Folders: `files` (pattern), `format`.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9_]{1,64}$")]
    emits: Annotated[list[Emit], Meta(max_length=32)] = []
    rows: Literal["states", "events", "sums", "now"] = "states"
    table: str | None = None
    query: str | None = None
    key: Annotated[list[str], Meta(min_length=1, max_length=8)] | None = None
    changed: str | None = None
    settle_seconds: Annotated[float, Meta(ge=0, le=86400)] = 0
    every_seconds: Annotated[float, Meta(ge=0, le=86400)] = 0
    optional: bool = False
    database: str | None = None
    get: str | None = None
    post: str | None = None
    body: dict[str, Any] | None = None
    items: str | None = None
    pages: Pages | None = None
    newest_by: str | None = None
    since: Since | None = None
    detail: str | None = None
    documents: dict[Annotated[str, Meta(pattern="^[a-z0-9_]{1,64}$")], Document] | None = None
    files: str | None = None
    format: Literal["json", "jsonl", "cloudevents", "openlineage", "junit", "dbt", "prometheus"] = "json"
    samples: Samples | None = None


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file.

    `system`: what its runs are shown to come from. `statuses`: words that this system means otherwise than they
    sound. `timezone`: of times that tell none. `search_path`: schemas of PostgreSQL with its tables. `login`: how
    a user gets a token of an API. `namespace`: of executions that are told in other ways as well, by which they are
    known to be the same; default: the source's own.
    """

    system: Annotated[str, Meta(pattern="^[a-z0-9_.-]{1,64}$")]
    reads_from: Literal["database", "api", "folder"]
    reads: Annotated[list[Read], Meta(min_length=1, max_length=64)]
    description: str = ""
    statuses: dict[str, str] | None = None
    timezone: str = "UTC"
    login: Login | None = None
    namespace: Annotated[str, Meta(pattern="^[a-z0-9_.-]{1,64}$")] | None = None
    search_path: (
        Annotated[list[Annotated[str, Meta(pattern="^[A-Za-z0-9_]{1,63}$")]], Meta(max_length=8)] | None
    ) = None
