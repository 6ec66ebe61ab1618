-- Note that a migration was undone, in its own transaction.
DELETE FROM resumer.migrations WHERE name = %(name)s
