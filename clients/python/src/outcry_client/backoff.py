"""How long to wait before the next try."""

import random

FIRST_SECONDS = 0.1
"""Before the second try: long enough for a process to come back to its socket."""

LONGEST_SECONDS = 5.0
"""Before any try: nobody wants to wait longer for something that is back."""


def seconds(failures: int, spread: float | None = None) -> float:
    """After so many failures in a row: doubled each time, between half of it and all of it, so that
    many clients that lost the same server do not come back all at once."""
    most = min(FIRST_SECONDS * 2 ** min(failures - 1, 16), LONGEST_SECONDS)
    part = random.random() if spread is None else spread  # noqa: S311 (no secret)
    return most * (0.5 + part / 2)
