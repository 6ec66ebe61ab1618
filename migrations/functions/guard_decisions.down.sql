DROP FUNCTION IF EXISTS resumer.on_approval_guard(), resumer.guard_violation(uuid, uuid, timestamptz, timestamptz, uuid, uuid);
