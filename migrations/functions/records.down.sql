DROP FUNCTION resumer.write_record(text, text, text, jsonb, text);
