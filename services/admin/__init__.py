"""Administer: partners, their catalogue and games, the schema, the topics, tokens. Changes what others work by."""
