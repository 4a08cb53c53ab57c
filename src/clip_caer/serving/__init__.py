"""Trained runs in MLflow: logged there, and served from there."""
