DROP FUNCTION IF EXISTS resumer.retry_message(text);
