"""What the neural engines share: devices, graphs, packed weights, safe checkpoints."""
