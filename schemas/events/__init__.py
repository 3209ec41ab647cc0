"""What is on the topics, one module per topic; `types` has the names."""
