DROP TRIGGER resumer_event_insert ON events;
DROP FUNCTION resumer.on_event_insert(), resumer.emit(text, jsonb, uuid);
