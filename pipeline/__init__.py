"""How the stages are joined and run; knows nothing about speech."""
