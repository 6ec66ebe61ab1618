-- Why an execution stands where it stands; as text, for a match may hold any number.
SELECT resumer.explain(resumer.find(%(key)s))::text AS explained
