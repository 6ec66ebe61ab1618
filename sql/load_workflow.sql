-- Put a definition into the service's table, for development; no ON CONFLICT, for the key differs between vintages.
WITH changed AS (
  UPDATE workflows SET name = %(name)s, definition = %(definition)s::jsonb
  WHERE workflow_id = %(workflow)s AND version = %(version)s
  RETURNING id
)
INSERT INTO workflows (workflow_id, version, name, definition)
SELECT %(workflow)s, %(version)s, %(name)s, %(definition)s::jsonb
WHERE NOT EXISTS (SELECT FROM changed)
