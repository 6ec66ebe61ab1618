DROP FUNCTION IF EXISTS resumer.check_not_on_hold(uuid), resumer.release(text, text, integer, uuid),
  resumer.end_hold(bigint, integer), resumer.hold(text, text, text, interval, uuid), resumer.hold_of(uuid);
