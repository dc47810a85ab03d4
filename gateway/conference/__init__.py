"""The conference itself: focus, participants, roster, policy. Pure."""
