"""Ways to place the trees, one file each."""
