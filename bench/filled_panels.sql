-- Fills a PostgreSQL store for the measure of panels: PIPELINES pipelines and EXECUTIONS executions over thirty days, five
-- stages each, a twentieth failed. Rows only, as the views show them. Both words are replaced before it runs.
CREATE TEMP TABLE bench_runs AS
SELECT
    i,
    md5(i::text) AS id,
    1 + i % PIPELINES AS pipeline_id,
    'pipeline ' || lpad((1 + i % PIPELINES)::text, 4, '0') AS pipeline,
    (extract(epoch FROM now()) * 1e6)::bigint - (EXECUTIONS - i) * (30 * 86400 * 1e6 / EXECUTIONS)::bigint AS begun,
    60000000::bigint + (i::bigint * 7919 % 3600) * 1000000 AS duration,
    CASE WHEN i > EXECUTIONS - 100 THEN 'running' WHEN hashint8(i) % 20 = 7 THEN 'failed' ELSE 'succeeded' END AS status
FROM generate_series(1, EXECUTIONS) AS i;

INSERT INTO pipelines (id, environment, name, version, state)
SELECT
    n, 'default', 'pipeline ' || lpad(n::text, 4, '0'), 1,
    convert_to(jsonb_build_object(
        'totals', repeat('x', 6000),
        'facts', jsonb_build_object('told', jsonb_build_object('owner', jsonb_build_array(1, 'team ' || n % 7))),
        'recent', (
            SELECT jsonb_agg(jsonb_build_array(begun + duration, left(id, 16), status, duration) ORDER BY begun)
            FROM (SELECT * FROM bench_runs WHERE pipeline_id = n AND status <> 'running' ORDER BY begun DESC LIMIT 40) AS r
        )
    )::text, 'UTF8')
FROM generate_series(1, PIPELINES) AS n;

INSERT INTO components (id, pipeline_id, scope, labels, state)
SELECT 5 * n + s, n, 'stage', json_build_array('stage ' || s)::text, '{"facts":{"told":{"kind":[1,"task"]}}}'
FROM generate_series(1, PIPELINES) AS n, generate_series(1, 5) AS s;

INSERT INTO executions
SELECT
    id, pipeline_id, pipeline, 'default', 'run-' || i, 'cloudevents', 'batch', 'schedule', status, status, begun, begun, begun,
    CASE WHEN status <> 'running' THEN begun + duration END, CASE WHEN status <> 'running' THEN duration END,
    begun, begun + duration, begun + duration, NULL, NULL, 5, 5, CASE WHEN status = 'running' THEN 1 ELSE 0 END, 1, false,
    '[]', convert_to('[[' || begun || ',1],[' || begun + duration || ',4,0,"' || status || '"]]', 'UTF8'),
    convert_to(jsonb_build_object('told', jsonb_build_object(
        'labels', jsonb_build_array(begun, jsonb_build_object('customer', 'c' || i % 1000)),
        'parameters', jsonb_build_array(begun, jsonb_build_object('day', i, 'note', repeat('p', 300)))
    ) || CASE WHEN status = 'failed' THEN jsonb_build_object(
        'error', jsonb_build_array(begun, jsonb_build_object(
            'type', 'ValueError', 'message', 'row ' || i || ' has no key', 'category', 'processing',
            'stage', 'stage 5', 'stacktrace', repeat('  File "load.py", line 3' || chr(10), 60)
        ))) ELSE '{}' END)::text, 'UTF8')
FROM bench_runs;

INSERT INTO execution_search
SELECT (begun << 10) | (i & 1023), id, pipeline || ' run-' || i || ' customer=c' || i % 1000
FROM bench_runs;

INSERT INTO stages
SELECT
    decode(left(id, 12), 'hex') || decode(left(md5(id || s), 20), 'hex'), '1', id, pipeline_id, 'stage ' || s, NULL,
    '["stage ' || s || '"]', 1, true, CASE WHEN s = 5 THEN status ELSE 'succeeded' END, 'running', NULL,
    NULL, begun + duration / 5 * (s - 1), CASE WHEN s < 5 OR status <> 'running' THEN begun + duration / 5 * s END,
    CASE WHEN s < 5 OR status <> 'running' THEN duration / 5 END, begun + duration / 5 * (s - 1), 10, 9, 1.5, 1e8,
    convert_to('[[' || begun || ',1],[' || begun + duration || ',4,0,"succeeded"]]', 'UTF8'), '{"told":{"depends_on":[1,[]]}}'
FROM bench_runs, generate_series(1, 5) AS s;

INSERT INTO errors
SELECT
    decode(md5('e' || id), 'hex'), id, pipeline_id, begun + duration, 'stage 5', NULL, 1,
    CASE i % 3 WHEN 0 THEN 'ValueError' WHEN 1 THEN 'TimeoutError' ELSE 'KeyError' END, 'processing', 'error', NULL,
    'row ' || i || ' has no key', repeat('  File "load.py", line 3' || chr(10), 60), NULL
FROM bench_runs WHERE status = 'failed';

INSERT INTO events (identity, pipeline_id, execution_id, type, time, received_at, body)
SELECT
    decode(md5(type || id || n), 'hex'), pipeline_id, id, type, begun + n * 1000000, begun + n * 1000000,
    convert_to(jsonb_build_object(
        'pipeline', pipeline, 'execution', 'run-' || i, 'stage', 'stage ' || 1 + n % 5, 'level', 'info',
        'message', 'line ' || n || ' of run ' || i, 'provider', 'p', 'request_model', 'm', 'input_tokens', n,
        'memory_bytes', 1e8 + n
    )::text, 'UTF8')
FROM bench_runs, generate_series(1, 10) AS n,
    unnest(ARRAY['pipeline.log.emitted', 'pipeline.resources.sampled', 'pipeline.llm.called']) AS type
WHERE hashint8(i) % 20 = 3;

DROP TABLE bench_runs;
