DROP TRIGGER resumer_event_insert ON events;
DROP FUNCTION resumer.on_event_insert(), resumer.emit(text, jsonb, uuid), resumer.may_end(jsonb, jsonb, jsonb),
  resumer.differs(jsonb, jsonb), resumer.event_terms(jsonb), resumer.event_names_of(jsonb), resumer.event_key(text, uuid, text),
  resumer.index_text(jsonb);
DROP TABLE resumer.event_waits, resumer.event_keys, resumer.event_names;
