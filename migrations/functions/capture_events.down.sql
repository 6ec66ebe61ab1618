DROP FUNCTION resumer.on_event_insert();
