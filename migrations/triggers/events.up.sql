-- The trigger on `events`, which captures them.
--
-- Locks: CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table: readers continue, writers wait.

CREATE TRIGGER resumer_event_insert AFTER INSERT ON events
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_event_insert();

COMMENT ON TRIGGER resumer_event_insert ON events IS 'Of resumer-daemon: queues each event for the executions that wait for it.';
