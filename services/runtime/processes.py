"""The processes a deployment consists of, each the command of that name; in the order in which `up` starts them."""

from __future__ import annotations

PROCESSES = ("issuer", "relay", "sweeper", "webhooks", "api")
