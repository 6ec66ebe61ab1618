DROP TABLE resumer.effects;
