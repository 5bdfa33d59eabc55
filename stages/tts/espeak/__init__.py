"""The built-in synthesizer: espeak-ng, in this process."""
