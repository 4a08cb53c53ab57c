"""The configuration: checked, completed, and merged for each ablation."""
