DROP FUNCTION resumer.sequences();
