"""Streaming trees: their shape, how they are planned, how they change. Pure."""
