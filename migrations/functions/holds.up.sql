-- SQL API, holds: `resumer.hold` and `resumer.release`.
--
-- People, `resumer-daemon hold` and `release`, and HTTP call them. While a workflow, or everything, is on hold, executions stop
-- before their next step, and decisions and starts are parked. The claim reads `resumer.holds` with the execution
-- (claim.read_executions), so that a new hold writes nothing to executions. When a hold ends, each execution with work to do
-- gets a request, due at a bounded rate: some with the release, the others in slices by the daemon.
-- Locks: the row of the hold. A batch that parks requests by a hold has a share lock on it, so the release waits for the batch.

-- Return the oldest hold that applies to an execution, or NULL.
CREATE OR REPLACE FUNCTION resumer.hold_of(execution uuid) RETURNS resumer.holds
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT h
  FROM resumer.execution_summary(execution) AS a JOIN resumer.holds h ON h.released_at IS NULL AND a.status IS NOT NULL
    AND (h.until IS NULL OR h.until > statement_timestamp())
    AND (h.workflow_id IS NULL OR h.workflow_id = a.workflow)
    AND (h.organization_id IS NULL OR h.organization_id = a.organization_id)
  ORDER BY h.id LIMIT 1
$f$;

-- Hold a workflow by its name, or everything with '*', for some time or until the release. Returns the number of the hold.
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
    RAISE EXCEPTION 'a hold needs a workflow_id and, if given, a positive ttl.'
      USING ERRCODE = 'RZ422', HINT = '''*'' holds every workflow.';
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

-- Release a slice of what an ended hold stopped or parked: each execution gets a request, so many per second. Executions that were
-- stopped between two steps come first, then those with parked requests, oldest first. Executions on another hold wait for that
-- one. `going`: how many continue. `more`: whether there may be another slice.
CREATE OR REPLACE FUNCTION resumer.end_hold(hold bigint, most integer, OUT going bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
DECLARE
  h resumer.holds;
  resumes boolean;
  seen bigint;
  ids uuid[];
BEGIN
  end_hold.going := 0;
  SELECT o.* INTO h FROM resumer.holds o
  WHERE o.id = end_hold.hold AND o.released_at IS NOT NULL AND o.ended_at IS NULL FOR UPDATE;
  end_hold.more := FOUND;
  IF NOT FOUND THEN
    RETURN; -- another session has ended it
  ELSIF h.kept_to IS NULL THEN -- batches that parked by it have committed: they had a share lock on its row
    h.stopped_to := clock_timestamp();
    h.kept_to := coalesce((
      SELECT r.id FROM resumer.resume_requests r WHERE r.outcome = 'held' ORDER BY r.id DESC LIMIT 1), 0);
  END IF;
  resumes := h.place_request IS NULL;
  IF resumes THEN
    WITH slice AS MATERIALIZED (
      SELECT p.paused_at, p.execution_id, p.manual_pause ->> 'number' AS number FROM resumer.pauses p
      WHERE p.resumed_at IS NULL AND p.reason = 'manual' AND p.paused_at <= h.stopped_to
        AND (p.paused_at, p.execution_id) > (h.place_at, h.place_execution)
      ORDER BY p.paused_at, p.execution_id
      LIMIT end_hold.most
    ), last AS (
      SELECT s.paused_at, s.execution_id FROM slice s ORDER BY s.paused_at DESC, s.execution_id DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM slice),
      ARRAY(SELECT s.execution_id FROM slice s WHERE s.number IS NOT NULL ORDER BY s.paused_at, s.execution_id),
      coalesce(l.paused_at, h.place_at), coalesce(l.execution_id, h.place_execution)
    INTO seen, ids, h.place_at, h.place_execution FROM (SELECT) AS always LEFT JOIN last l ON true;
    IF seen < end_hold.most THEN
      h.place_request := 0;
    END IF;
  ELSE
    WITH slice AS MATERIALIZED (
      SELECT r.id, r.execution_id FROM resumer.resume_requests r
      WHERE r.outcome = 'held' AND r.id > h.place_request AND r.id <= h.kept_to
      ORDER BY r.id
      LIMIT end_hold.most
    ), kept AS (
      SELECT s.execution_id, min(s.id) AS id FROM slice s GROUP BY s.execution_id
    )
    SELECT (SELECT count(*) FROM slice),
      ARRAY( -- except those that the first part resumes
        SELECT k.execution_id FROM kept k
        WHERE (SELECT p.manual_pause ->> 'number' FROM resumer.pauses p
          WHERE p.execution_id = k.execution_id AND p.resumed_at IS NULL AND p.reason = 'manual' LIMIT 1) IS NULL
        ORDER BY k.id),
      coalesce((SELECT max(s.id) FROM slice s), h.place_request)
    INTO seen, ids, h.place_request;
    end_hold.more := seen = end_hold.most;
  END IF;
  h.next_at := greatest(h.next_at, clock_timestamp());
  WITH known AS MATERIALIZED (
    SELECT s.execution_id, s.place, e.status,
      (SELECT w.workflow_id FROM service_schema.workflows w WHERE w.id = e.workflow_id) AS workflow,
      -- without organizations the name refers to `none`
      (SELECT organization_id FROM service_schema.workflow_executions o WHERE o.id = s.execution_id) AS organization
    FROM unnest(ids) WITH ORDINALITY AS s (execution_id, place)
    CROSS JOIN (SELECT NULL::uuid AS organization_id) AS none
    CROSS JOIN LATERAL (
      SELECT o.status::text AS status, o.workflow_id FROM service_schema.workflow_executions o WHERE o.id = s.execution_id LIMIT 1) AS e
  ), free AS (
    SELECT k.execution_id, row_number() OVER (ORDER BY k.place) - 1 AS before FROM known k
    WHERE k.status IN ('pending', 'paused') AND coalesce(h.workflow_id, k.workflow) IS NOT DISTINCT FROM k.workflow
      AND (h.organization_id IS NULL OR h.organization_id = k.organization)
      AND NOT EXISTS (
        SELECT FROM resumer.holds o
        WHERE o.released_at IS NULL AND (o.until IS NULL OR o.until > clock_timestamp())
          AND (o.workflow_id IS NULL OR o.workflow_id = k.workflow)
          AND (o.organization_id IS NULL OR o.organization_id = k.organization))
  )
  INSERT INTO resumer.resume_requests (execution_id, kind, actor, reason, payload, due_at)
  SELECT f.execution_id, CASE WHEN resumes THEN 'manual' ELSE 'adopt' END, h.released_by, 'hold released',
    CASE WHEN resumes THEN '{}'::jsonb END,
    h.next_at + make_interval(secs => f.before::float8 / h.per_second)
  FROM free f ORDER BY f.before;
  GET DIAGNOSTICS going = ROW_COUNT;
  UPDATE resumer.holds o SET
    stopped_to = h.stopped_to, kept_to = h.kept_to, place_at = h.place_at, place_execution = h.place_execution,
    place_request = h.place_request, going = o.going + end_hold.going,
    next_at = h.next_at + make_interval(secs => end_hold.going::float8 / h.per_second),
    ended_at = CASE WHEN NOT end_hold.more THEN clock_timestamp() END
  WHERE o.id = h.id;
  IF end_hold.going > 0 THEN
    PERFORM resumer.wake();
  END IF;
END
$f$;

-- Release the hold of this workflow. Returns how many executions continue with this call: all, or as many as fit into a second.
-- The daemon releases the others.
CREATE OR REPLACE FUNCTION resumer.release(
  workflow_id text, actor text DEFAULT NULL, per_second integer DEFAULT 50, organization_id uuid DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  open_hold bigint;
  going bigint := 0;
  slice record;
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
  UPDATE resumer.holds h
  SET released_at = clock_timestamp(), released_by = coalesce(release.actor, session_user), per_second = release.per_second
  WHERE h.id = open_hold;
  LOOP
    SELECT * INTO slice FROM resumer.end_hold(open_hold, 1000);
    going := going + slice.going;
    EXIT WHEN NOT slice.more OR clock_timestamp() > statement_timestamp() + interval '1 second';
  END LOOP;
  RETURN going;
END
$f$;

-- Refuse a request that would only wait for the release of a hold.
CREATE OR REPLACE FUNCTION resumer.check_not_on_hold(execution uuid) RETURNS void
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
  resumer.end_hold(bigint, integer), resumer.release(text, text, integer, uuid),
  resumer.check_not_on_hold(uuid) FROM PUBLIC;
