"""The address of an MLflow server or database, which may hold a password."""

import re


def without_secrets(uri: str) -> str:
    """The address without user, password and options; for logs, records and whatever else is kept."""
    return re.sub(r"\?.*", "", re.sub(r"://.*@", "://", uri))
