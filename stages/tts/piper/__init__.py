"""Piper: the voices of the VITS networks that Home Assistant made, run by onnxruntime."""
