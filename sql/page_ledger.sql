-- A page of the ledger, newest first, where the caller reaches it: of one execution, of one organisation, or of all, each by
-- its index. A range, and in its order: a plan for any organisation or execution would rather walk the primary key, past all
-- others.
SELECT page.request AS id, to_jsonb(page)::text AS document
FROM (
  (SELECT l.* FROM resumer.ledger l
   WHERE %(execution)s::uuid IS NULL AND l.request < %(before)s
     AND %(everywhere)s --? organization
   ORDER BY l.request DESC
   LIMIT %(limit)s)
  UNION ALL --? organization
  (SELECT l.* FROM resumer.ledger l --? organization
   WHERE %(execution)s::uuid IS NULL AND NOT %(everywhere)s --? organization
     AND l.organization_id BETWEEN %(organization)s AND %(organization)s AND l.request < %(before)s --? organization
   ORDER BY l.organization_id DESC, l.request DESC --? organization
   LIMIT %(limit)s) --? organization
  UNION ALL
  (SELECT l.* FROM resumer.ledger l
   WHERE l.execution_id BETWEEN %(execution)s AND %(execution)s AND l.request < %(before)s
     AND (%(everywhere)s OR l.organization_id = %(organization)s) --? organization
   ORDER BY l.execution_id DESC, l.request DESC
   LIMIT %(limit)s)) AS page
ORDER BY page.request DESC
