-- The fence, first half: a row lock and not a condition, for a joined or EXISTS fence reads a snapshot and lets a
-- zombie write after the rescuer's commit. In the claim's order of locks: execution, then holds, then lease:
-- who waits for an execution holds nothing that a release could wait for.
WITH running AS MATERIALIZED (
  SELECT e.id FROM workflow_executions e WHERE e.id = %(id)s AND e.status = 'running' FOR NO KEY UPDATE
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM running)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM running) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds
