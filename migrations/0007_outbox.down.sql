DROP TABLE resumer.outbox;
