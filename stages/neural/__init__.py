"""The base of the neural engines: devices, graphs, layers, streaming state, safe checkpoints, and
voices that are loaded when they are chosen."""
