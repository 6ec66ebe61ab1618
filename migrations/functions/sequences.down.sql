DROP FUNCTION IF EXISTS resumer.sequences();
