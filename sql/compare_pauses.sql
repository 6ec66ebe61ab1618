-- Whether what is paused is what we have open pauses of. A sum of their hashes tells, where counts would not: one pause
-- missed and the end of another. It reads a row of each, so it is asked once a lap.
SELECT (SELECT bit_xor(uuid_hash_extended(id, 0)) FROM workflow_executions WHERE status = 'paused') AS executions,
  (SELECT bit_xor(uuid_hash_extended(execution_id, 0)) FROM resumer.pauses WHERE resumed_at IS NULL) AS records
