"""The pipeline: it joins and runs the stages, and knows nothing about speech."""
