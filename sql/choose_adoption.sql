-- Whether what the service ends as blocked becomes a pause. Nothing is written where it is so already.
UPDATE resumer.control SET adopt_blocked = %(on)s WHERE adopt_blocked <> %(on)s
