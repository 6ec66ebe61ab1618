DROP TABLE resumer.migrations;
DROP SCHEMA resumer;
