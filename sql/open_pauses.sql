-- Record where executions stand, why, and what they wait for. `earlier`: approvals that are not this pause's.
INSERT INTO resumer.pauses (execution_id, number, reason, step_id, ways, waiting, state, definition, incident, held, asked,
  earlier, organization_id)
SELECT v.execution_id, v.number, v.reason, v.step_id, v.ways, v.waiting, v.state, v.definition, v.incident, v.held,
  v.asked::uuid[],
  v.earlier::uuid[],
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = v.execution_id) --? organization
  NULL --? no_organization
FROM unnest(
    %(execution_ids)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[], %(step_ids)s::text[], %(ways)s::jsonb[],
    %(waitings)s::jsonb[], %(states)s::jsonb[], %(definitions)s::text[], %(incidents)s::jsonb[],
    %(held)s::jsonb[], %(asked)s::text[], %(earlier)s::text[]
  ) AS v (execution_id, number, reason, step_id, ways, waiting, state, definition, incident, held, asked, earlier)
