"""The browser signalling protocol as values: docs/protocol.md is its specification. Pure."""
