DROP FUNCTION IF EXISTS resumer.on_execution_insert(), resumer.on_execution_update(), resumer.protect_execution(),
  resumer.lock_inbox(), resumer.is_guarded(text, text, boolean, boolean, boolean), resumer.pauses_at_once(uuid),
  resumer.was_paused(uuid), resumer.is_ours(uuid, text);
