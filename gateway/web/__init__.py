"""The browsers' door: page, signalling socket, certificate."""
