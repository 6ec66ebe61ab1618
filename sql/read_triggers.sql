-- Which of our triggers are there and enabled.
SELECT t.tgname AS name FROM pg_trigger t
WHERE t.tgname LIKE 'resumer\_%%' AND t.tgenabled IN ('O', 'A')
  AND t.tgrelid IN (to_regclass('approval_requests'), to_regclass('workflow_executions'), to_regclass('events'))
