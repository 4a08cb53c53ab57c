"""The one exception that means: the user can mend this."""

from collections.abc import Sequence


class UserError(Exception):
    """Bad input, told in one message: what is wrong, where, what was expected, and what to do.

    Shown to the user as it stands, without a traceback. Anything else that is raised is a bug of ours.
    """


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
