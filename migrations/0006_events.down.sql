DROP TRIGGER resumer_event_insert ON events;
DROP FUNCTION resumer.on_event_insert(), resumer.emit(text, jsonb, uuid);
DROP INDEX resumer.requests_events, resumer.requests_events_open, resumer.requests_event_source, resumer.pauses_event;
