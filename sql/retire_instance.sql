-- A daemon process says that it is gone, and that others should look.
DELETE FROM resumer.instances WHERE id = %(id)s
