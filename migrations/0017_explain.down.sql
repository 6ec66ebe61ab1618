DROP FUNCTION resumer.explain(uuid), resumer.why_around(resumer.pauses, uuid), resumer.why_asked(resumer.pauses, uuid);
