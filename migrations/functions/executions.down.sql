DROP FUNCTION resumer.find(text), resumer.execution_summary(uuid);
