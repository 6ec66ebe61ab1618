-- Key, workflow, organization and status of an execution, and its id by key, for functions and views.
--
-- They read the service's tables in functions whose text names the tables. A view on a column of the service would prevent the
-- service from changing that column. Locks: none.

-- Return key, workflow, organization and status. Without organizations, the column name in the subselect finds the NULL beside it.
CREATE OR REPLACE FUNCTION resumer.execution_summary(
  execution uuid, OUT execution_key text, OUT workflow text, OUT organization_id uuid, OUT status text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
BEGIN
  SELECT e.execution_id, (SELECT w.workflow_id FROM service_schema.workflows w WHERE w.id = e.workflow_id),
    (SELECT organization_id FROM service_schema.workflow_executions o WHERE o.id = e.id), e.status
  INTO execution_key, workflow, execution_summary.organization_id, status
  FROM service_schema.workflow_executions e, (SELECT NULL::uuid AS organization_id) AS none
  WHERE e.id = execution_summary.execution;
END
$f$;

-- An execution by its key (execution_id) or its id, as people have it at hand.
CREATE OR REPLACE FUNCTION resumer.find(key text) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  found uuid;
BEGIN
  SELECT e.id INTO found FROM service_schema.workflow_executions e WHERE e.execution_id = find.key;
  IF found IS NULL AND find.key ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN
    SELECT e.id INTO found FROM service_schema.workflow_executions e WHERE e.id = find.key::uuid;
  END IF;
  IF found IS NULL THEN
    RAISE EXCEPTION 'no execution %', resumer.quoted(find.key)
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  RETURN found;
END
$f$;

REVOKE ALL ON FUNCTION resumer.execution_summary(uuid), resumer.find(text) FROM PUBLIC;
