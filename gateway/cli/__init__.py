"""The trestle command."""
