"""Tables of what belongs to an execution, and of the executions around it."""

from __future__ import annotations

from dashboards import links, look, tables
from dashboards.boards.execution_scope import ID, OF_EXECUTION, ONE_EXECUTION
from dashboards.grafana.fields import by_name, by_regex
from dashboards.grafana.panels import Panel, table
from dashboards.grafana.targets import sql

_LATER, _EARLIER = 3, 8
_FAMILY = 5000


def around() -> Panel:
    """Those of the same pipeline just before and after."""
    columns = (
        "e.id, e.external_id, e.queued_at, e.status, e.duration_seconds, e.error_stage, e.error_type, e.error_message, "
        "e.from_ms, e.to_ms"
    )
    # One row and LATERAL: PostgreSQL then goes along the index from it, and stops.
    neighbours = f"""
        SELECT x.* FROM this, LATERAL (SELECT {columns} FROM executions e
          WHERE e.pipeline = this.pipeline AND e.environment = this.environment AND e.id <> {ID}
    """
    later = f"{neighbours} AND e.queued_at >= this.queued_at ORDER BY e.queued_at LIMIT {_LATER}) x"
    earlier = f"{neighbours} AND e.queued_at < this.queued_at ORDER BY e.queued_at DESC LIMIT {_EARLIER}) x"
    query = f"""
        WITH this AS (SELECT pipeline, environment, queued_at, duration_seconds FROM executions WHERE {ONE_EXECUTION})
        SELECT x.queued_at AS "Queued", sign AS "When", status AS "Status", x.duration_seconds AS "Duration",
          x.duration_seconds / nullif(this.duration_seconds, 0) - 1 AS "Against this",
          CASE WHEN error_message IS NOT NULL THEN concat_ws(': ', error_stage, error_type, error_message) END
            AS "Error",
          external_id AS "Run", id AS execution_id, from_ms, to_ms
        FROM (
          SELECT 'later' AS sign, later.* FROM ({later}) later
          UNION ALL
          SELECT 'this one', {columns} FROM executions e WHERE e.{ONE_EXECUTION}
          UNION ALL
          SELECT 'earlier', earlier.* FROM ({earlier}) earlier) x, this
        ORDER BY x.queued_at DESC, sign = 'earlier'
    """
    return table(
        "Executions around it",
        "Those of the same pipeline just before and after: was it always so, and is it well again? Click a time to "
        "open one; a run, to open it or to compare it with this one, in the table below.",
        sql(query),
        columns=[
            by_name("Queued", width=155, links=[links.to_execution()]),
            by_name("When", width=66),
            tables.status_column(width=95),
            tables.seconds_column("Duration", width=78),
            by_name(
                "Against this",
                unit="percentunit",
                decimals=0,
                width=100,
                cell="color-text",
                steps=((None, look.TEXT),),
                no_value=" ",
            ),
            by_name("Error", min_width=130, no_value=" ", inspect=True),
            by_name(
                "Run",
                min_width=150,
                links=links.in_menu(
                    links.to_execution(), links.to_comparison("${__data.fields.execution_id}")
                ),
            ),
            tables.HIDDEN,
        ],
        no_value="No execution has this id.",
    )


def related() -> Panel:
    """The execution that started this one, and those that it started."""
    query = f"""
        WITH this AS (SELECT * FROM executions WHERE {ONE_EXECUTION}),
        found AS (
          SELECT 'parent' AS relation, p.id, p.pipeline, p.environment, p.status, p.duration_seconds, p.queued_at,
            p.from_ms, p.to_ms
          FROM this JOIN executions p ON p.id = this.parent ->> 'id'
          UNION ALL
          SELECT 'parent, unknown here', NULL, parent ->> 'pipeline', environment, NULL, NULL, NULL, NULL, NULL
          FROM this WHERE parent IS NOT NULL AND parent ->> 'id' IS NULL
          UNION ALL
          (SELECT 'child', c.id, c.pipeline, c.environment, c.status, c.duration_seconds, c.queued_at, c.from_ms,
             c.to_ms
           FROM this, LATERAL (
             SELECT e.id, e.pipeline, e.environment, e.status, e.duration_seconds, e.queued_at, e.from_ms, e.to_ms,
               e.parent
             FROM executions e
             WHERE e.queued_at BETWEEN this.queued_at AND coalesce(this.ended_at, now()) + interval '1 hour'
             ORDER BY e.queued_at LIMIT {_FAMILY}) c
           WHERE c.parent ->> 'execution' = this.external_id AND c.parent ->> 'pipeline' = this.pipeline
             AND c.environment = this.environment
           ORDER BY c.queued_at LIMIT 100))
        SELECT relation AS "Relation", pipeline AS "Pipeline", status AS "Status", duration_seconds AS "Duration",
          queued_at AS "Queued", environment, id AS execution_id, from_ms, to_ms
        FROM found ORDER BY relation DESC, queued_at
    """
    return table(
        "Parent and children",
        "The execution that started this one, and those that it started until an hour after its end. A failed child "
        "often explains a failed parent.",
        sql(query),
        columns=[
            by_name("Relation", width=90),
            by_name(
                "Pipeline",
                min_width=120,
                links=[links.to_pipeline(links.VALUE, "${__data.fields.environment:percentencode}")],
            ),
            tables.status_column(),
            tables.seconds_column("Duration", width=85),
            by_name("Queued", width=165, links=[links.to_execution()]),
            by_regex("^(environment|execution_id|from_ms|to_ms)$", hidden=True),
        ],
        no_value="Nothing started it but its trigger, and it started nothing.",
    )


def parameters() -> Panel:
    """Parameters and labels by name."""
    pairs = " UNION ALL ".join(
        f"""SELECT '{kind}' AS kind, key, value FROM executions e,
            jsonb_each_text(CASE WHEN jsonb_typeof(e.{column}) = 'object' THEN e.{column} ELSE '{{}}' END)
            WHERE e.{ONE_EXECUTION}"""
        for kind, column in (("parameter", "parameters"), ("label", "labels"))
    )
    return table(
        "Parameters and labels",
        "With what it was started. Compare with an execution around it that ended otherwise.",
        sql(
            f'SELECT kind AS "Kind", key AS "Name", value AS "Value" FROM ({pairs}) p ORDER BY 1 DESC, 2 LIMIT 500'
        ),
        columns=[
            by_name("Kind", width=90),
            by_name("Name", width=170),
            by_name("Value", min_width=150, inspect=True, wrap=True),
        ],
        no_value="Its source told no parameters and no labels.",
    )


def artifacts() -> Panel:
    """What it made."""
    return table(
        "Artifacts",
        "What the execution made, the latest first. Bad: one that others of this pipeline have is missing or empty.",
        sql(
            'SELECT time AS "Time", stage AS "Stage", name AS "Name", bytes AS "Size", uri AS "Where", '
            f'media_type AS "Type" FROM artifacts WHERE {OF_EXECUTION} ORDER BY time DESC LIMIT 500'
        ),
        columns=[
            by_name("Time", width=165),
            by_name("Stage", width=120, no_value=" ", links=[links.to_logs_of_stage(links.VALUE)]),
            by_name("Name", width=150),
            by_name("Size", unit="bytes", decimals=1, width=85, no_value=" "),
            by_name("Where", min_width=120, no_value=" ", inspect=True),
            by_name("Type", width=120, no_value=" "),
        ],
        no_value="It reported no artifacts.",
    )


def warnings() -> Panel:
    """What is worth a look and stopped nothing."""
    return table(
        "Warnings",
        "What is worth a look and stopped nothing, the latest first.",
        sql(
            'SELECT time AS "Time", stage AS "Stage", code AS "Code", message AS "Message" '
            f"FROM warnings WHERE {OF_EXECUTION} ORDER BY time DESC LIMIT 500"
        ),
        columns=[
            by_name("Time", width=165),
            by_name("Stage", width=120, no_value=" ", links=[links.to_logs_of_stage(links.VALUE)]),
            by_name("Code", width=150, no_value=" "),
            by_name("Message", min_width=150, inspect=True),
        ],
        no_value="It raised no warnings.",
    )


def llm_calls() -> Panel:
    """Calls of language models, one row each."""
    return table(
        "Calls of language models",
        "Each call with its tokens, cost and time, the latest first. Red: the call failed. Prompts and answers are not "
        "kept here.",
        sql(
            'SELECT time AS "Time", stage AS "Stage", provider AS "Provider", '
            'coalesce(response_model, request_model) AS "Model", operation AS "Operation", input_tokens AS "In", '
            'output_tokens AS "Out", cached_tokens AS "Cached", duration_seconds AS "Duration", '
            'time_to_first_token_seconds AS "First token", cost_usd AS "Cost", '
            "CASE WHEN error_message IS NOT NULL THEN concat_ws(': ', error_type, error_message) END AS \"Error\" "
            f"FROM llm_calls WHERE {OF_EXECUTION} ORDER BY time DESC LIMIT 500"
        ),
        columns=[
            by_name("Time", width=180),
            by_name("Stage", width=120, no_value=" ", links=[links.to_logs_of_stage(links.VALUE)]),
            by_name("Provider", width=90),
            by_name("Model", min_width=120),
            by_name("Operation", width=90),
            by_regex("^(In|Out|Cached)$", unit="short", decimals=0, width=70, no_value=" "),
            by_regex("^(Duration|First token)$", unit="s", decimals=2, width=90, no_value=" "),
            by_name("Cost", unit="currencyUSD", decimals=4, width=85, no_value=" "),
            by_name("Error", min_width=110, cell="color-text", color=look.RED, no_value=" ", inspect=True),
        ],
        no_value="It called no language model, or reported none.",
    )
