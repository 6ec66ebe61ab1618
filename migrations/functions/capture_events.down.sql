DROP FUNCTION IF EXISTS resumer.on_event_insert();
