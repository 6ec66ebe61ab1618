-- The policies that are missing: where the service has row-level security, our roles must see all rows.
SELECT format('CREATE POLICY resumer ON %%s TO resumer_owner, resumer_reader, resumer_operator, resumer_daemon'
  ' USING (true) WITH CHECK (true)', quote_ident(c.relname)) AS statement
FROM pg_class c
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relrowsecurity
  AND c.relname IN ('workflows', 'rules', 'context_cache', 'workflow_executions', 'step_executions', 'approval_requests',
    'events', 'audit_log', 'api_keys', 'organizations')
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'resumer')
ORDER BY 1
