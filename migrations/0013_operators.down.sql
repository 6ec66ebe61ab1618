DROP VIEW resumer.inbox, resumer.lag, resumer.ledger, resumer.incidents;
DROP FUNCTION resumer.status(uuid), resumer.pause(uuid, text, text), resumer.shown_of(resumer.pauses), resumer.branches_of(resumer.pauses),
  resumer.waiting_for(resumer.pauses),
  resumer.approvals_needed(resumer.pauses, jsonb), resumer.approvals_of(resumer.pauses), resumer.about(uuid), resumer.find(text);
