"""The built-in synthesizer: espeak-ng, in a process of its own."""
