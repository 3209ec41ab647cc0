-- Every process waits for a schema at least its own, so the partner API's role sees the log of migrations too.
GRANT SELECT ON schema_migrations TO couponry_api;
