-- Queries of panels, each below its name, as the reader's sessions see the views.

-- latest 50 executions
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE queued_at BETWEEN now() - interval '24 hours' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- latest 50 of a pipeline
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE pipeline = 'pipeline 0007'
  AND queued_at BETWEEN now() - interval '31 days' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- its latest 50 failures
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE pipeline = 'pipeline 0007' AND status IN ('failed', 'timed_out')
  AND queued_at BETWEEN now() - interval '31 days' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- its executions by a text that few have
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE pipeline = 'pipeline 0007' AND search LIKE '%customer=c6%'
  AND queued_at BETWEEN now() - interval '31 days' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- a text that nothing has, in a day
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE search LIKE '%nowhere%'
  AND queued_at BETWEEN now() - interval '24 hours' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- stages of a pipeline's last 40
WITH latest AS (
    SELECT id, queued_at FROM executions
    WHERE pipeline = 'pipeline 0007' AND environment = 'default'
    ORDER BY queued_at DESC LIMIT 40
)
SELECT latest.queued_at, s.name, s.status, latest.id
FROM latest JOIN stages AS s ON s.execution_id = latest.id AND s.last
ORDER BY 1;

-- failing now
SELECT p.pipeline, p.environment, count(*) FILTER (WHERE e.status IN ('failed', 'timed_out', 'lost')) AS failed
FROM pipelines AS p
CROSS JOIN LATERAL (
    SELECT status FROM executions AS e
    WHERE e.pipeline = p.pipeline AND e.environment = p.environment
    ORDER BY queued_at DESC LIMIT 10
) AS e
GROUP BY 1, 2
ORDER BY 3 DESC;

-- state of all pipelines
SELECT *
FROM pipelines
ORDER BY last_ended_at DESC;

-- latest failures
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE status IN ('failed', 'timed_out', 'lost')
  AND queued_at BETWEEN now() - interval '24 hours' AND now()
ORDER BY queued_at DESC LIMIT 50;

-- errors by type in a day
SELECT type, category, count(*), count(DISTINCT pipeline), max(time)
FROM errors
WHERE time BETWEEN now() - interval '24 hours' AND now()
GROUP BY 1, 2
ORDER BY 3 DESC;

-- latest errors of a pipeline
SELECT *
FROM errors
WHERE pipeline = 'pipeline 0007'
  AND time BETWEEN now() - interval '31 days' AND now()
ORDER BY time DESC LIMIT 50;

-- one execution
SELECT *
FROM executions
WHERE id = (
    SELECT id FROM executions WHERE pipeline = 'pipeline 0007' AND status = 'failed' ORDER BY queued_at LIMIT 1
);

-- its stages
SELECT *
FROM stages
WHERE execution_id = (
    SELECT id FROM executions WHERE pipeline = 'pipeline 0007' AND status = 'failed' ORDER BY queued_at LIMIT 1
)
ORDER BY queued_at;

-- its errors
SELECT *
FROM errors
WHERE execution_id = (
    SELECT id FROM executions WHERE pipeline = 'pipeline 0007' AND status = 'failed' ORDER BY queued_at LIMIT 1
)
ORDER BY time;

-- its log
SELECT *
FROM logs
WHERE execution_id = (
    SELECT id FROM executions WHERE pipeline = 'pipeline 0007' AND status = 'failed' ORDER BY queued_at LIMIT 1
)
ORDER BY time;

-- its resources
SELECT *
FROM resources
WHERE execution_id = (
    SELECT id FROM executions WHERE pipeline = 'pipeline 0007' AND status = 'failed' ORDER BY queued_at LIMIT 1
)
ORDER BY time;

-- log of a pipeline
SELECT *
FROM logs
WHERE pipeline = 'pipeline 0007'
  AND time BETWEEN now() - interval '24 hours' AND now()
ORDER BY time DESC LIMIT 200;

-- latest log lines
SELECT *
FROM logs
WHERE time BETWEEN now() - interval '24 hours' AND now()
ORDER BY time DESC LIMIT 200;

-- running now
SELECT
    id, pipeline, environment, status, queued_at, started_at, ended_at, duration_seconds, progress, current_stages,
    error_type, error_message, labels, from_ms, to_ms
FROM executions
WHERE status IN ('queued', 'running', 'paused')
ORDER BY queued_at DESC LIMIT 200;

-- stages of a pipeline in a day
SELECT name, count(*), avg(duration_seconds), percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds)
FROM stages
WHERE pipeline = 'pipeline 0007'
  AND queued_at BETWEEN now() - interval '24 hours' AND now()
GROUP BY name;

-- history of a stage in a month
SELECT queued_at, duration_seconds, status
FROM stages
WHERE pipeline = 'pipeline 0007' AND name = 'stage 3'
  AND queued_at BETWEEN now() - interval '31 days' AND now()
ORDER BY queued_at;

-- variable: pipelines
SELECT DISTINCT pipeline
FROM pipelines
ORDER BY 1;

-- variable: stages
SELECT stage
FROM pipeline_stages
WHERE pipeline = 'pipeline 0007'
ORDER BY 1;

-- variable: executions
SELECT id, external_id
FROM executions
WHERE pipeline = 'pipeline 0007'
ORDER BY queued_at DESC LIMIT 100;
