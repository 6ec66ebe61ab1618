DROP TABLE resumer.effects;
ALTER TABLE resumer.leases DROP COLUMN state, DROP COLUMN definition, DROP COLUMN recorded_at;
