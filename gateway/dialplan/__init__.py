"""What a dialled address means. Pure."""
