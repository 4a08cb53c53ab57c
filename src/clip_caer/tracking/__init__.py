"""Records of every step, and their publication to MLflow."""
