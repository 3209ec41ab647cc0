"""The one room that loads and writes customers: lock, load, decide, record, confirm."""
