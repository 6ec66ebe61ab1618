DROP FUNCTION resumer.identities();
