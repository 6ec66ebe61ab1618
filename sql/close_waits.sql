-- Forget the events that pauses waited for, because these pauses end; without a number, all that the execution waited for.
DELETE FROM resumer.event_waits w
USING unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
WHERE w.execution_id = v.execution_id AND w.pause_number = coalesce(v.number, w.pause_number)
