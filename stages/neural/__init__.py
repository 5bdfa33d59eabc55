"""The base of the neural engines: devices, graphs, layers, streaming state, safe checkpoints."""
