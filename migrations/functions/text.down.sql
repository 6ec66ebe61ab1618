DROP FUNCTION IF EXISTS resumer.shell(text), resumer.quoted(text), resumer.printable(text), resumer.has_control_characters(text);
