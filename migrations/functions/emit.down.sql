DROP FUNCTION resumer.emit(text, jsonb, uuid);
