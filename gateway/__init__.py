"""What a conference is: the focus, its trees, its media plane and its web door."""
