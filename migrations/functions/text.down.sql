DROP FUNCTION resumer.shell(text), resumer.quoted(text), resumer.printable(text), resumer.steers(text);
