"""RVC's networks: content features, prior and flow, decoder."""
