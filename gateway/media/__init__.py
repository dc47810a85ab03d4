"""The media plane: ends, mixes and re-roots the legacy legs' media."""
