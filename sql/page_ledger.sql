-- A page of the ledger, newest first, where the caller reaches it: of one execution, by its index, or of all.
SELECT page.request AS id, to_jsonb(page)::text AS document
FROM (
  (SELECT l.* FROM resumer.ledger l
   WHERE %(execution)s::uuid IS NULL AND l.request < %(before)s
     AND (%(everywhere)s OR l.organization_id = %(organization)s) --? organization
   ORDER BY l.request DESC
   LIMIT %(limit)s)
  UNION ALL
  (SELECT l.* FROM resumer.ledger l
   WHERE l.execution_id = %(execution)s AND l.request < %(before)s
     AND (%(everywhere)s OR l.organization_id = %(organization)s) --? organization
   ORDER BY l.request DESC
   LIMIT %(limit)s)) AS page
ORDER BY page.request DESC
