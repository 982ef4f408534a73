-- Views for panel authors, explained in docs/sql.md. PostgreSQL only.
--
-- Stored times are microseconds since 1970. Here they are timestamptz, and durations are seconds. A panel filters by
-- the time that its view shows, so the indexes below are on the very same expressions: change both or neither.

-- The latest value told of something; null if nothing was.
CREATE FUNCTION pipelines.fact(facts bytea, name text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT convert_from(facts, 'UTF8')::jsonb -> 'told' -> name -> 1
$$;

-- The same of a pipeline or a part of one.
CREATE FUNCTION pipelines.state_fact(state bytea, name text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT convert_from(state, 'UTF8')::jsonb -> 'facts' -> 'told' -> name -> 1
$$;

-- What an event said.
CREATE FUNCTION pipelines.payload(body bytea) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT convert_from(body, 'UTF8')::jsonb
$$;

-- The error that ended an execution: its own, or that of its stage where its own says nothing more than that.
CREATE FUNCTION pipelines.execution_error(status text, facts bytea) RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    told jsonb;
    own jsonb;
    of_stage jsonb;
BEGIN
    IF status NOT IN ('failed', 'timed_out', 'cancelled', 'lost') THEN
        RETURN NULL;
    END IF;
    told := convert_from(facts, 'UTF8')::jsonb -> 'told';
    own := told -> 'error' -> 1;
    of_stage := told -> 'stage_error' -> 1;
    IF of_stage IS NOT NULL AND status IN ('failed', 'timed_out') AND (
        own IS NULL OR own ->> 'type' IN ('task_failure', 'unknown', 'Failure', 'DagRunFailed')
    ) THEN
        RETURN of_stage;
    END IF;
    RETURN own;
END
$$;

CREATE VIEW pipelines.executions AS
SELECT
    e.id,
    e.external_id,
    e.pipeline,
    e.environment,
    e.kind,
    e.source,
    e.trigger,
    e.status,
    e.source_status,
    to_timestamp(coalesce(e.queued_at, e.started_at, e.first_at) / 1e6::float8) AS queued_at,
    to_timestamp(e.started_at / 1e6::float8) AS started_at,
    to_timestamp(e.ended_at / 1e6::float8) AS ended_at,
    e.duration / 1e6::float8 AS duration_seconds,
    CASE
        WHEN e.queued_at IS NOT NULL AND e.started_at IS NOT NULL
        THEN greatest(e.started_at - e.queued_at, 0) / 1e6::float8
    END AS queue_duration_seconds,
    CASE
        WHEN e.status = 'succeeded' THEN 1::float8
        -- What was told before the last start is of an earlier attempt.
        WHEN (convert_from(e.facts, 'UTF8')::jsonb #>> '{told,progress,0}')::bigint >= coalesce(e.started_at, 0)
        THEN least((pipelines.fact(e.facts, 'progress') #>> '{}')::float8, 0.99)
        WHEN e.status IN ('queued', 'running', 'paused') AND e.stages_total > 0
        THEN least(e.stages_done::float8 / e.stages_total, 0.99)
    END AS progress,
    e.stages_done,
    e.stages_total,
    CASE
        WHEN e.status IN ('queued', 'running', 'paused') AND e.stages_active > 0
        THEN array(
            SELECT s.name
            FROM stages AS s
            WHERE s.execution_id = e.id AND s.status IN ('queued', 'running', 'paused') AND s.last
            GROUP BY s.name
            ORDER BY min(coalesce(s.started_at, s.first_at)), s.name
            LIMIT 100
        )
        ELSE '{}'::text[]
    END AS current_stages,
    (
        SELECT jsonb_build_object(
            'type', found.error -> 'type',
            'message', found.error -> 'message',
            'category', found.error -> 'category',
            'severity', found.error -> 'severity',
            'component', found.error -> 'component',
            'stage', found.error -> 'stage',
            'stacktrace', found.error -> 'stacktrace',
            'context', found.error -> 'context'
        )
        FROM (SELECT pipelines.execution_error(e.status, e.facts) AS error OFFSET 0) AS found
        WHERE found.error IS NOT NULL
    ) AS error,
    pipelines.execution_error(e.status, e.facts) ->> 'stage' AS error_stage,
    pipelines.execution_error(e.status, e.facts) ->> 'type' AS error_type,
    pipelines.execution_error(e.status, e.facts) ->> 'category' AS error_category,
    pipelines.execution_error(e.status, e.facts) ->> 'message' AS error_message,
    (
        SELECT jsonb_build_object(
            'pipeline', told.parent -> 'pipeline',
            'execution', told.parent -> 'execution',
            'id', (
                SELECT min(parent.id)
                FROM executions AS parent
                WHERE parent.external_id = told.parent ->> 'execution'
                    AND parent.pipeline = told.parent ->> 'pipeline'
                    AND parent.environment = e.environment
                    AND parent.source = e.source
                HAVING count(*) = 1
            )
        )
        FROM (SELECT pipelines.fact(e.facts, 'parent') AS parent OFFSET 0) AS told
        WHERE told.parent IS NOT NULL
    ) AS parent,
    coalesce(pipelines.fact(e.facts, 'labels'), '{}') AS labels,
    coalesce(pipelines.fact(e.facts, 'parameters'), '{}') AS parameters,
    (e.sort_at / 1000 - 5000)::text AS from_ms,
    CASE
        WHEN e.status IN ('queued', 'running', 'paused') THEN 'now'
        ELSE (coalesce(e.ended_at, e.last_at) / 1000 + 5000)::text
    END AS to_ms,
    found_by.text AS search
FROM executions AS e
LEFT JOIN execution_search AS found_by ON found_by.execution_id = e.id;

CREATE VIEW pipelines.stages AS
SELECT
    s.execution_id,
    p.name AS pipeline,
    p.environment,
    s.name,
    s.index,
    array(SELECT jsonb_array_elements_text(s.path::jsonb)) AS path,
    s.attempt,
    s.last,
    s.status,
    s.source_status,
    array(
        SELECT jsonb_array_elements_text(
            coalesce(pipelines.fact(s.facts, 'depends_on'), pipelines.state_fact(described.state, 'depends_on'))
        )
    ) AS depends_on,
    to_timestamp(coalesce(s.queued_at, s.started_at, s.first_at) / 1e6::float8) AS queued_at,
    to_timestamp(s.started_at / 1e6::float8) AS started_at,
    to_timestamp(s.ended_at / 1e6::float8) AS ended_at,
    s.duration / 1e6::float8 AS duration_seconds,
    s.items_in,
    s.items_out,
    s.cpu_seconds,
    s.memory_peak_bytes,
    CASE
        WHEN s.status NOT IN ('succeeded', 'queued', 'running', 'paused') THEN pipelines.fact(s.facts, 'error') ->> 'type'
    END AS error_type,
    CASE
        WHEN s.status NOT IN ('succeeded', 'queued', 'running', 'paused') THEN pipelines.fact(s.facts, 'error') ->> 'message'
    END AS error_message,
    pipelines.state_fact(described.state, 'kind') #>> '{}' AS kind
FROM stages AS s
JOIN pipelines AS p ON p.id = s.pipeline_id
LEFT JOIN components AS described
    ON described.pipeline_id = s.pipeline_id
    AND described.scope = 'stage'
    AND described.labels = json_build_array(s.name)::text
WHERE s.status IS NOT NULL;

CREATE VIEW pipelines.errors AS
SELECT
    encode(e.identity, 'hex') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    e.stage,
    e.index,
    e.attempt,
    e.type,
    e.category,
    e.severity,
    e.component,
    e.message,
    e.stacktrace,
    e.context::jsonb AS context
FROM errors AS e
JOIN pipelines AS p ON p.id = e.pipeline_id;

CREATE VIEW pipelines.logs AS
SELECT
    lpad(e.seq::text, 19, '0') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    pipelines.payload(e.body) ->> 'stage' AS stage,
    coalesce(pipelines.payload(e.body) ->> 'level', 'info') AS level,
    pipelines.payload(e.body) ->> 'message' AS message,
    pipelines.payload(e.body) -> 'fields' AS fields
FROM events AS e
JOIN pipelines AS p ON p.id = e.pipeline_id
WHERE e.type = 'pipeline.log.emitted' AND e.body IS NOT NULL;

CREATE VIEW pipelines.warnings AS
SELECT
    lpad(e.seq::text, 19, '0') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    pipelines.payload(e.body) ->> 'stage' AS stage,
    pipelines.payload(e.body) ->> 'code' AS code,
    pipelines.payload(e.body) ->> 'message' AS message
FROM events AS e
JOIN pipelines AS p ON p.id = e.pipeline_id
WHERE e.type = 'pipeline.warning.raised' AND e.body IS NOT NULL;

CREATE VIEW pipelines.artifacts AS
SELECT
    lpad(e.seq::text, 19, '0') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    pipelines.payload(e.body) ->> 'stage' AS stage,
    pipelines.payload(e.body) ->> 'name' AS name,
    pipelines.payload(e.body) ->> 'uri' AS uri,
    (pipelines.payload(e.body) ->> 'bytes')::bigint AS bytes,
    pipelines.payload(e.body) ->> 'media_type' AS media_type
FROM events AS e
JOIN pipelines AS p ON p.id = e.pipeline_id
WHERE e.type = 'pipeline.artifact.produced' AND e.body IS NOT NULL;

-- Prompts and responses stay out: they may hold what nobody but their pipeline should see.
CREATE VIEW pipelines.llm_calls AS
SELECT
    lpad(e.seq::text, 19, '0') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    pipelines.payload(e.body) ->> 'stage' AS stage,
    pipelines.payload(e.body) ->> 'provider' AS provider,
    pipelines.payload(e.body) ->> 'request_model' AS request_model,
    pipelines.payload(e.body) ->> 'response_model' AS response_model,
    coalesce(pipelines.payload(e.body) ->> 'operation', 'chat') AS operation,
    (pipelines.payload(e.body) ->> 'input_tokens')::bigint AS input_tokens,
    (pipelines.payload(e.body) ->> 'output_tokens')::bigint AS output_tokens,
    (pipelines.payload(e.body) ->> 'cached_tokens')::bigint AS cached_tokens,
    (pipelines.payload(e.body) ->> 'duration_seconds')::float8 AS duration_seconds,
    (pipelines.payload(e.body) ->> 'time_to_first_token_seconds')::float8 AS time_to_first_token_seconds,
    (pipelines.payload(e.body) ->> 'cost_usd')::float8 AS cost_usd,
    failed.type AS error_type,
    failed.message AS error_message
FROM events AS e
JOIN pipelines AS p ON p.id = e.pipeline_id
LEFT JOIN errors AS failed ON failed.identity = e.identity
WHERE e.type = 'pipeline.llm.called' AND e.body IS NOT NULL;

CREATE VIEW pipelines.resources AS
SELECT
    lpad(e.seq::text, 19, '0') AS id,
    e.execution_id,
    p.name AS pipeline,
    p.environment,
    to_timestamp(e.time / 1e6::float8) AS time,
    pipelines.payload(e.body) ->> 'stage' AS stage,
    (pipelines.payload(e.body) ->> 'cpu_seconds')::float8 AS cpu_seconds,
    (pipelines.payload(e.body) ->> 'memory_bytes')::float8 AS memory_bytes,
    (pipelines.payload(e.body) ->> 'memory_peak_bytes')::float8 AS memory_peak_bytes,
    (pipelines.payload(e.body) ->> 'io_read_bytes')::float8 AS io_read_bytes,
    (pipelines.payload(e.body) ->> 'io_written_bytes')::float8 AS io_written_bytes,
    (pipelines.payload(e.body) ->> 'accelerator_memory_bytes')::float8 AS accelerator_memory_bytes,
    pipelines.payload(e.body) ->> 'index' AS index,
    (pipelines.payload(e.body) ->> 'attempt')::int AS attempt
FROM events AS e
JOIN pipelines AS p ON p.id = e.pipeline_id
WHERE e.type = 'pipeline.resources.sampled' AND e.body IS NOT NULL;

-- One row a pipeline and environment, remembered whatever retention deletes. `recent` inside `state` has the last ends,
-- latest last, as [ended_at, id, status, duration].
CREATE VIEW pipelines.pipelines AS
SELECT
    p.name AS pipeline,
    p.environment,
    coalesce(told.facts #>> '{kind,1}', told.facts #>> '{execution_kind,1}') AS kind,
    told.facts #>> '{owner,1}' AS owner,
    told.facts #>> '{description,1}' AS description,
    told.facts #>> '{source,1}' AS source,
    coalesce(told.facts #> '{labels,1}', '{}') AS labels,
    coalesce((told.facts #>> '{paused,1}')::boolean, false) AS paused,
    CASE
        WHEN EXISTS (SELECT FROM executions AS e WHERE e.pipeline_id = p.id AND e.status = 'running') THEN 'running'
        WHEN EXISTS (SELECT FROM executions AS e WHERE e.pipeline_id = p.id AND e.status = 'paused') THEN 'paused'
        WHEN EXISTS (SELECT FROM executions AS e WHERE e.pipeline_id = p.id AND e.status = 'queued') THEN 'queued'
        ELSE told.last ->> 2
    END AS status,
    (
        SELECT count(*)
        FROM executions AS e
        WHERE e.pipeline_id = p.id AND e.status IN ('queued', 'running', 'paused')
    ) AS active,
    told.last ->> 2 AS last_status,
    to_timestamp((told.state #>> '{starts,-1}')::float8 / 1e6::float8) AS last_started_at,
    to_timestamp((told.last ->> 0)::float8 / 1e6::float8) AS last_ended_at,
    (told.last ->> 3)::float8 / 1e6::float8 AS last_duration_seconds,
    to_timestamp(
        greatest(
            (told.state #>> '{successes,-1,0}')::float8,
            (
                SELECT max((ended ->> 0)::float8)
                FROM jsonb_array_elements(told.state -> 'recent') AS ended
                WHERE ended ->> 2 = 'succeeded'
            )
        ) / 1e6::float8
    ) AS last_success_at,
    array(
        SELECT ended ->> 2
        FROM jsonb_array_elements(told.state -> 'recent') WITH ORDINALITY AS recent (ended, place)
        ORDER BY place
    ) AS recent_statuses,
    to_timestamp((told.state ->> 'next_expected')::float8 / 1e6::float8) AS next_expected_at,
    to_timestamp((told.state ->> 'first_at')::float8 / 1e6::float8) AS first_event_at,
    to_timestamp((told.state ->> 'last_at')::float8 / 1e6::float8) AS last_event_at
FROM pipelines AS p
CROSS JOIN LATERAL (
    SELECT state, state #> '{facts,told}' AS facts, state #> '{recent,-1}' AS last
    FROM (SELECT convert_from(p.state, 'UTF8')::jsonb AS state OFFSET 0) AS decoded
    OFFSET 0
) AS told
WHERE p.name <> '__other__';

-- The stages that a pipeline is known to have.
CREATE VIEW pipelines.pipeline_stages AS
SELECT
    p.name AS pipeline,
    p.environment,
    c.labels::jsonb ->> 0 AS stage,
    pipelines.state_fact(c.state, 'kind') #>> '{}' AS kind,
    array(SELECT jsonb_array_elements_text(pipelines.state_fact(c.state, 'depends_on'))) AS depends_on
FROM components AS c
JOIN pipelines AS p ON p.id = c.pipeline_id
WHERE c.scope = 'stage' AND c.labels <> '["__other__"]' AND p.name <> '__other__';

CREATE INDEX executions_shown_by_time ON executions (
    to_timestamp(coalesce(queued_at, started_at, first_at) / 1e6::float8)
);
CREATE INDEX executions_shown_by_pipeline ON executions (
    pipeline, to_timestamp(coalesce(queued_at, started_at, first_at) / 1e6::float8)
);
CREATE INDEX stages_shown_by_pipeline ON stages (
    pipeline_id, to_timestamp(coalesce(queued_at, started_at, first_at) / 1e6::float8)
);
CREATE INDEX errors_shown_by_time ON errors (to_timestamp(time / 1e6::float8));
CREATE INDEX errors_shown_by_pipeline ON errors (pipeline_id, to_timestamp(time / 1e6::float8));
CREATE INDEX events_shown_by_time ON events (type, to_timestamp(time / 1e6::float8))
WHERE type IN (
    'pipeline.log.emitted', 'pipeline.warning.raised', 'pipeline.artifact.produced', 'pipeline.llm.called',
    'pipeline.resources.sampled'
);
CREATE INDEX events_shown_by_pipeline ON events (pipeline_id, type, to_timestamp(time / 1e6::float8))
WHERE type IN (
    'pipeline.log.emitted', 'pipeline.warning.raised', 'pipeline.artifact.produced', 'pipeline.llm.called',
    'pipeline.resources.sampled'
);
