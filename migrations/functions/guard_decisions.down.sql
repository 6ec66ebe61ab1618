DROP FUNCTION resumer.on_approval_guard(), resumer.objection(uuid, uuid, timestamptz, timestamptz, uuid, uuid);
