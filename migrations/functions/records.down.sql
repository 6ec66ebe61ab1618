DROP FUNCTION IF EXISTS resumer.write_record(text, text, text, jsonb, text);
