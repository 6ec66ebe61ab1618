DROP VIEW resumer.inbox, resumer.lag, resumer.ledger, resumer.incidents, resumer.requests;
