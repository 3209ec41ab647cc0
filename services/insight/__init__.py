"""Look: status, explain, verify, what-if. Nothing here changes anything."""
