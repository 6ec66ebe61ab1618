-- Forget some keys that are older than a day; those that another transaction is about to forget are left to it.
DELETE FROM resumer.idempotency_keys k
WHERE (k.caller, k.key) IN (
  SELECT o.caller, o.key FROM resumer.idempotency_keys o
  WHERE o.created_at < statement_timestamp() - interval '1 day'
  ORDER BY o.created_at
  LIMIT 100
  FOR UPDATE SKIP LOCKED)
