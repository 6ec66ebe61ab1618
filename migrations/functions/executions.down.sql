DROP FUNCTION IF EXISTS resumer.find(text), resumer.execution_summary(uuid);
