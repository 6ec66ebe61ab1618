-- SQL API, start: `resumer.start`. People and `resumer-daemon start` call it, the fan-out of events calls `resumer.queue`.
-- Locks: none.

-- Insert an execution of one row of `workflows`, with its start request.
CREATE OR REPLACE FUNCTION resumer.queue(workflow uuid, organization uuid, event text, payload jsonb) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  queued uuid := gen_random_uuid();
  key text := 'exec_' || left(replace(queued::text, '-', ''), 16);
  now_there timestamp := resumer.service_now();
BEGIN
  INSERT INTO resumer.resume_requests (execution_id, kind, actor) VALUES (queued, 'start', session_user);
  PERFORM resumer.wake(), set_config('search_path', resumer.service_path(), true);
  IF organization IS NULL THEN
    INSERT INTO workflow_executions
      (id, workflow_id, execution_id, trigger_event, trigger_payload, status, started_at)
    VALUES
      (queued, workflow, key, event, payload, 'pending', now_there);
  ELSE
    INSERT INTO workflow_executions
      (id, workflow_id, execution_id, trigger_event, trigger_payload, status, started_at, organization_id)
    VALUES
      (queued, workflow, key, event, payload, 'pending', now_there, organization);
  END IF;
  RETURN queued;
END
$f$;

-- Start a workflow by its name. Returns the id of the execution.
-- Organizations are read through to_jsonb, because only one vintage of the service has the column.
CREATE OR REPLACE FUNCTION resumer.start(
  workflow_id text, payload jsonb DEFAULT '{}', version text DEFAULT NULL, organization_id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
DECLARE
  chosen record;
  owners integer;
BEGIN
  PERFORM resumer.check_object('payload', payload);
  PERFORM resumer.check_size(payload);
  SELECT count(DISTINCT to_jsonb(w) -> 'organization_id') INTO owners FROM workflows w
  WHERE w.workflow_id = start.workflow_id AND (start.version IS NULL OR w.version = start.version)
    AND (start.organization_id IS NULL OR to_jsonb(w) ->> 'organization_id' = start.organization_id::text);
  IF owners > 1 THEN
    RAISE EXCEPTION 'workflow % exists in % organisations', resumer.quoted(start.workflow_id), owners
      USING ERRCODE = 'RZ422', HINT = 'name one: organization_id => ...';
  END IF;
  SELECT w.id, w.enabled, (to_jsonb(w) ->> 'organization_id')::uuid AS organization INTO chosen FROM workflows w
  WHERE w.workflow_id = start.workflow_id AND (start.version IS NULL OR w.version = start.version)
    AND (start.organization_id IS NULL OR to_jsonb(w) ->> 'organization_id' = start.organization_id::text)
  ORDER BY coalesce(w.enabled, true) DESC, w.created_at DESC NULLS LAST, w.id
  LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no workflow %', resumer.quoted(start.workflow_id) || coalesce(' version ' || start.version, '')
      USING ERRCODE = 'RZ404', HINT = 'SELECT workflow_id, version, enabled FROM workflows';
  ELSIF NOT coalesce(chosen.enabled, true) THEN
    RAISE EXCEPTION 'workflow % is disabled', resumer.quoted(start.workflow_id)
      USING ERRCODE = 'RZ409', HINT = 'a disabled workflow refuses starts; what is paused still resumes';
  END IF;
  RETURN resumer.queue(chosen.id, chosen.organization, 'manual', start.payload);
END
$f$;

REVOKE ALL ON FUNCTION resumer.queue(uuid, uuid, text, jsonb), resumer.start(text, jsonb, text, uuid) FROM PUBLIC;
