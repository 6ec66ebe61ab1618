DROP FUNCTION IF EXISTS resumer.longest_branch_of(resumer.pauses), resumer.branches_of(resumer.pauses),
  resumer.waiting_for(resumer.pauses), resumer.approvals_needed(resumer.pauses, jsonb),
  resumer.approvals_of(resumer.pauses);
