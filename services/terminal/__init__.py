"""What commands share: where the servers are, how arguments are read and results are shown."""
