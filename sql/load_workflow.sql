-- Put a definition into the service's table, for development.
INSERT INTO workflows (workflow_id, version, name, definition)
VALUES (%(workflow)s, %(version)s, %(name)s, %(definition)s::jsonb)
ON CONFLICT (workflow_id, version) DO UPDATE SET definition = EXCLUDED.definition, name = EXCLUDED.name
