DROP FUNCTION IF EXISTS resumer.ledger_page(bigint, integer), resumer.inbox_page(timestamptz, uuid, integer);
DROP VIEW IF EXISTS resumer.inbox, resumer.lag, resumer.ledger, resumer.incidents, resumer.requests;
