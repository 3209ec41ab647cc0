"""Wire schemas: what travels on Kafka, one module per topic, nothing but shapes.

`topics` lists the topics, `envelope` holds the envelope, `fields` the field types that several topics
share; `examples/` has data that validates, `generated/` the JSON Schemas for other teams
(`python -m schemas.generate`). May import pydantic and the standard library, never `services`: only a
codec knows both wire and domain.
"""
