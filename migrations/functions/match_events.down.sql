DROP FUNCTION IF EXISTS resumer.may_end(jsonb, jsonb, jsonb), resumer.differs(jsonb, jsonb), resumer.event_terms(jsonb),
  resumer.event_names_of(jsonb), resumer.event_key(text, uuid, text), resumer.index_text(jsonb);
