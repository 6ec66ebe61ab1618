DROP TRIGGER IF EXISTS resumer_event_insert ON events;
