-- Write where the executions of a batch stand now. A context is written once, when the execution begins.
UPDATE workflow_executions e SET
  status = v.status,
  result = v.result,
  error_message = v.error_message,
  context = coalesce(v.context, e.context),
  resume_data = coalesce(v.resume_data, e.resume_data),
  -- a pause of another program began when it says
  paused_at = CASE WHEN v.status = 'paused'
    THEN coalesce(CASE WHEN e.status::text = 'paused' AND v.resumed = 0 THEN e.paused_at END, t.now_there) END,
  paused_reason = pg_catalog.left(v.paused_reason, 255),
  paused_step_id = v.paused_step_id, --? pointers
  next_step_id = v.next_step_id, --? pointers
  current_step_id = v.paused_step_id, --? current_step
  wait_state = v.wait_state --? wait_state
    || pg_catalog.jsonb_build_object('waiting_since', to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), --? wait_state
  timeout_at = CASE WHEN v.timeout IS NOT NULL THEN t.now_there + pg_catalog.make_interval(secs => v.timeout) --? timeout_at
    WHEN v.resumed > 0 THEN e.timeout_at + (t.now_there - coalesce(e.paused_at, t.now_there)) --? timeout_at
    ELSE e.timeout_at END, --? timeout_at
  timeout_duration = coalesce(pg_catalog.ceil(v.timeout)::integer, e.timeout_duration), --? timeout_duration
  metadata = CASE WHEN v.timeout IS NULL THEN e.metadata --? no_timeout_duration
    ELSE (CASE pg_catalog.jsonb_typeof(e.metadata) WHEN 'object' THEN e.metadata ELSE '{}' END) --? no_timeout_duration
      || pg_catalog.jsonb_build_object('timeout_seconds', v.timeout) END, --? no_timeout_duration
  resume_count = coalesce(e.resume_count, 0) + v.resumed,
  last_resumed_at = CASE WHEN v.resumed > 0 THEN t.now_there ELSE e.last_resumed_at END,
  completed_at = CASE WHEN v.status IN ('completed', 'failed', 'cancelled') THEN t.now_there END,
  duration_ms = CASE WHEN v.status IN ('completed', 'failed', 'cancelled') AND pg_catalog.isfinite(e.started_at)
    THEN greatest(0, least(2147483647, extract(epoch FROM t.now_there - e.started_at) * 1000))::integer END
FROM unnest(
    %(ids)s::uuid[], %(statuses)s::text[], %(results)s::text[], %(errors)s::text[], %(contexts)s::jsonb[],
    %(resume_datas)s::jsonb[], %(paused_reasons)s::text[], %(paused_steps)s::text[], %(next_steps)s::text[],
    %(resumed)s::integer[], %(wait_states)s::jsonb[], %(timeouts)s::float8[]
  ) AS v (
    id, status, result, error_message, context, resume_data, paused_reason, paused_step_id, next_step_id, resumed,
    wait_state, timeout),
  (SELECT pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s AS now_there) AS t
WHERE e.id = v.id
