-- The workflow, as the service keeps it: once, whatever was there before.
INSERT INTO workflows (workflow_id, version, name, definition)
SELECT d ->> 'workflow_id', d ->> 'version', d ->> 'name', d
FROM (SELECT :'definition'::jsonb AS d) AS given
WHERE NOT EXISTS (SELECT FROM workflows w WHERE w.workflow_id = d ->> 'workflow_id' AND w.version = d ->> 'version');
