-- End the open pauses of a batch, with all the approvals that belonged to each.
UPDATE resumer.pauses p
SET resumed_at = clock_timestamp(), resumed_by = v.resumed_by, asked = v.asked::uuid[]
FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(resumed_by)s::text[], %(asked)s::text[])
  AS v (execution_id, number, resumed_by, asked)
WHERE p.execution_id = v.execution_id AND p.number = v.number
