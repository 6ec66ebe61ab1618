-- Undo a part of a transaction that has failed.
ROLLBACK TO SAVEPOINT part
