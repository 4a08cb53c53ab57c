"""The one exception that means: the user can mend this."""

import errno
import os
import re
from collections.abc import Sequence

_CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Give yourself the permission"),
    errno.EROFS: "Make it writable",
    errno.EIO: "Look after the disk",
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "Bring it back"),
    errno.EEXIST: "Move it out of the way",
    errno.EISDIR: "Move the folder out of the way",
    errno.ELOOP: "Mend the link",
    errno.EMFILE: "Allow more open files (ulimit -n)",
}


class UserError(Exception):
    """Bad input, told in one message: what is wrong, where, what was expected, and what to do.

    Shown to the user as it stands, without a traceback. Anything else that is raised is a bug of ours.
    """


def refused(error: Exception, path: str | os.PathLike) -> UserError | None:
    """What the system would not do (a full disk, a file that is gone), with its cure; None for any other error.

    path: what was read or written, in case the error does not name it.
    """
    words = re.search(r"\(os error (\d+)\)", str(error))  # libraries in Rust tell the number in words only
    number = int(words[1]) if words else getattr(error, "errno", None)
    if number not in _CURES:
        return None
    place = getattr(error, "filename", None) or path
    again = "and start again; what is done is kept."
    return UserError(f"{os.fspath(place)}: {os.strerror(number)}. {_CURES[number]}, {again}")


def reject(problems: Sequence[str], heading: str, shown: int = 50) -> None:
    """Raise one `UserError` that lists every problem found; do nothing when there is none.

    Checking a whole table first and complaining once saves the user a round trip per line.
    """
    if not problems:
        return
    lines = [f"{heading}: {len(problems)} problem{'s' if len(problems) > 1 else ''}."]
    lines += [f"  - {problem}" for problem in problems[:shown]]
    if len(problems) > shown:
        lines.append(f"  … and {len(problems) - shown} more.")
    raise UserError("\n".join(lines))
