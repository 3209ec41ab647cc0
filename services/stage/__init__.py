"""Put it all on a stage: servers and every process on this machine (`up`), and the demo."""
