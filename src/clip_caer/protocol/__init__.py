"""What makes numbers hold: which clip has which role, what two roles share, and how predictions are scored."""
