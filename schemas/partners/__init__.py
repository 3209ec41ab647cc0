"""Bodies of the partners' dialect."""
