-- Release what is held under this name; returns how many executions go on.
SELECT resumer.release(%(workflow)s, %(actor)s::text, %(per_second)s) AS request
