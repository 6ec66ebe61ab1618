DROP FUNCTION IF EXISTS resumer.on_approval_delete(), resumer.on_approval_update(), resumer.on_approval_insert();
