-- Queue a new execution.
SELECT resumer.start(%(workflow)s, %(payload)s::jsonb, %(version)s, %(organization)s::uuid) AS id
