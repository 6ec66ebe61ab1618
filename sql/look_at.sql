-- Have the next statements read one execution without a lock: to be shown, for what is read may be old already.
SELECT set_config('resumer.claimed', ARRAY[%(id)s::uuid]::text, true)
