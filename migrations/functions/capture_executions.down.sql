DROP FUNCTION resumer.on_execution_write(), resumer.is_ours(uuid, text), resumer.on_execution_seen();
