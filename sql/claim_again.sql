-- Lock these executions of a batch that could not be written, but for those that another holds by now.
WITH free AS MATERIALIZED (
  SELECT e.id FROM workflow_executions e WHERE e.id = ANY (%(ids)s::uuid[]) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM free)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM free) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds
