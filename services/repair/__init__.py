"""Repair: replay, republish, redrive; each may be stopped at any moment and resumed."""
