DROP FUNCTION resumer.refuse_on_hold(uuid), resumer.release(text, text, integer, uuid),
  resumer.let_go(bigint, integer), resumer.hold(text, text, text, interval, uuid), resumer.hold_of(uuid);
