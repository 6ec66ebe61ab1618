-- Who would migrate, and whether that role may create a schema in this database.
SELECT current_user::text AS name, current_database()::text AS database,
  has_database_privilege(current_database(), 'CREATE') AS may_create,
  to_regnamespace('resumer') IS NOT NULL AS installed
