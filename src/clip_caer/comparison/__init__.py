"""The comparison of all models: as a table, and in words, Markdown and LaTeX."""
