-- The SQL interface, holds: `resumer.hold` and `resumer.release`. While a workflow, or everything, is held, executions go on
-- to the end of the step at hand and no further; decisions and starts are kept. The claim reads `resumer.holds` with the
-- execution (sql/read_executions.sql), so nothing is written to executions when a hold begins. When it ends, each execution
-- that has something to do gets a request, due at a bounded rate.

-- The hold that keeps an execution, the oldest first; NULL: none.
CREATE OR REPLACE FUNCTION resumer.hold_of(execution uuid) RETURNS resumer.holds
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT h
  FROM resumer.about(execution) AS a JOIN resumer.holds h ON h.released_at IS NULL AND a.status IS NOT NULL
    AND (h.until IS NULL OR h.until > clock_timestamp())
    AND (h.workflow_id IS NULL OR h.workflow_id = a.workflow)
    AND (h.organization_id IS NULL OR h.organization_id = a.organization_id)
  ORDER BY h.id LIMIT 1
$f$;

-- Hold a workflow by its name, or everything with '*', for some time or until the release. Returns the hold's number.
CREATE OR REPLACE FUNCTION resumer.hold(
  workflow_id text, reason text DEFAULT NULL, actor text DEFAULT NULL, ttl interval DEFAULT NULL,
  organization_id uuid DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
DECLARE
  made bigint;
BEGIN
  IF coalesce(hold.workflow_id, '') = '' OR hold.ttl <= interval '0' THEN
    RAISE EXCEPTION 'a hold needs a workflow, and a time above zero if any'
      USING ERRCODE = 'RZ422', HINT = 'everything is ''*''';
  ELSIF hold.workflow_id <> '*' AND NOT EXISTS (
    SELECT FROM service_schema.workflows w WHERE w.workflow_id = hold.workflow_id) THEN
    RAISE EXCEPTION 'no workflow %', quote_literal(hold.workflow_id)
      USING ERRCODE = 'RZ404', HINT = 'SELECT workflow_id, version, enabled FROM workflows';
  END IF;
  INSERT INTO resumer.holds (workflow_id, organization_id, actor, reason, until)
  VALUES (nullif(hold.workflow_id, '*'), hold.organization_id, coalesce(hold.actor, session_user), hold.reason,
    clock_timestamp() + hold.ttl)
  ON CONFLICT DO NOTHING
  RETURNING id INTO made;
  IF made IS NULL THEN
    RAISE EXCEPTION '% is on hold already', CASE hold.workflow_id WHEN '*' THEN 'everything' ELSE hold.workflow_id END
      USING ERRCODE = 'RZ409', HINT = 'SELECT * FROM resumer.holds WHERE released_at IS NULL';
  END IF;
  RETURN made;
END
$f$;

-- End a hold: what it stopped goes on, what came meanwhile is looked at, so many executions a second. What another hold
-- keeps waits for that one. Returns how many executions go on.
CREATE OR REPLACE FUNCTION resumer.let_go(hold bigint, actor text, per_second integer DEFAULT 50) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  released resumer.holds;
  going bigint;
BEGIN
  UPDATE resumer.holds h SET released_at = clock_timestamp(), released_by = let_go.actor
  WHERE h.id = let_go.hold AND h.released_at IS NULL
  RETURNING * INTO released;
  IF NOT FOUND THEN
    RETURN 0; -- another was quicker
  END IF;
  INSERT INTO resumer.resume_requests (execution_id, kind, actor, reason, payload, due_at)
  SELECT w.execution_id, w.kind, let_go.actor, 'hold released', CASE w.kind WHEN 'manual' THEN '{}'::jsonb END,
    clock_timestamp() + make_interval(secs => (row_number() OVER (ORDER BY w.since) - 1)::float8 / let_go.per_second)
  FROM (
    SELECT DISTINCT ON (c.execution_id) c.* FROM (
      SELECT p.execution_id, 'manual' AS kind, p.paused_at AS since FROM resumer.pauses p
      WHERE p.resumed_at IS NULL AND p.reason = 'manual' AND p.held ->> 'number' IS NOT NULL
      UNION ALL
      SELECT r.execution_id, 'adopt', r.requested_at FROM resumer.resume_requests r WHERE r.outcome = 'held') AS c
    ORDER BY c.execution_id, c.kind DESC, c.since) AS w
  CROSS JOIN LATERAL resumer.about(w.execution_id) AS a
  WHERE a.status IN ('pending', 'paused') AND coalesce(released.workflow_id, a.workflow) IS NOT DISTINCT FROM a.workflow
    AND (released.organization_id IS NULL OR released.organization_id = a.organization_id)
    AND (resumer.hold_of(w.execution_id)).id IS NULL;
  GET DIAGNOSTICS going = ROW_COUNT;
  PERFORM resumer.wake();
  RETURN going;
END
$f$;

-- Release what `hold` holds, under the same name. Returns how many executions go on.
CREATE OR REPLACE FUNCTION resumer.release(
  workflow_id text, actor text DEFAULT NULL, per_second integer DEFAULT 50, organization_id uuid DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  open_hold bigint;
BEGIN
  IF coalesce(per_second, 0) < 1 THEN
    RAISE EXCEPTION 'at least one execution a second' USING ERRCODE = 'RZ422', HINT = 'per_second => 50';
  END IF;
  SELECT h.id INTO open_hold FROM resumer.holds h
  WHERE h.released_at IS NULL AND coalesce(h.workflow_id, '*') = release.workflow_id
    AND h.organization_id IS NOT DISTINCT FROM release.organization_id
  FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not on hold', CASE workflow_id WHEN '*' THEN 'everything' ELSE workflow_id END
      USING ERRCODE = 'RZ409', HINT = 'SELECT * FROM resumer.holds WHERE released_at IS NULL';
  END IF;
  RETURN resumer.let_go(open_hold, coalesce(release.actor, session_user), release.per_second);
END
$f$;

-- Refuse what would only wait for the release of a hold.
CREATE OR REPLACE FUNCTION resumer.refuse_on_hold(execution uuid) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  h resumer.holds := resumer.hold_of(execution);
BEGIN
  IF h.id IS NOT NULL THEN
    RAISE EXCEPTION '% is on hold by %', resumer.printable(coalesce(h.workflow_id, 'everything')), resumer.printable(h.actor)
      USING ERRCODE = 'RZ409', HINT = format('SELECT resumer.release(%s)', resumer.quoted(coalesce(h.workflow_id, '*')));
  END IF;
END
$f$;

REVOKE ALL ON FUNCTION resumer.hold_of(uuid), resumer.hold(text, text, text, interval, uuid),
  resumer.let_go(bigint, text, integer), resumer.release(text, text, integer, uuid),
  resumer.refuse_on_hold(uuid) FROM PUBLIC;
