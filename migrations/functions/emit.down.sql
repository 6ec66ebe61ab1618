DROP FUNCTION IF EXISTS resumer.emit(text, jsonb, uuid);
