"""The address of an MLflow server or database, which may hold a password."""

import re
from urllib.parse import unquote


def without_secrets(uri: str) -> str:
    """The address without user, password and options; for logs, records and whatever else is kept."""
    return re.sub(r"\?.*", "", re.sub(r"://.*@", "://", uri))


def hide_secrets(text: str, uri: str) -> str:
    """`text`, which may quote the address or parts of it, without the address's password and options."""
    text = text.replace(uri, without_secrets(uri))
    for secret in re.findall(r"://[^:]*:(.+)@", uri) + re.findall(r"\?(.+)", uri):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return text
