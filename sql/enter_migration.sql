-- Note that a migration was applied, in its own transaction.
INSERT INTO resumer.migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s)
