-- The trace that an event belongs to (`traceparent` of W3C Trace Context), as it came with it; most come without. Nobody
-- has to write it: an older release does not.
ALTER TABLE decisions ADD COLUMN traceparent text;
ALTER TABLE outbox ADD COLUMN traceparent text;
