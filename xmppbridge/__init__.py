"""XMPP clients: Jingle without I/O inside, a slixmpp component at the edge."""
