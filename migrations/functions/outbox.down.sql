DROP FUNCTION resumer.retry_message(text);
