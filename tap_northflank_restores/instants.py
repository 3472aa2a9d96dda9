"""Times of the API as instants: microseconds since 1970 in UTC, because texts do not compare."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def instant(text: str) -> int:
    """Return the instant of an ISO 8601 time, in microseconds since 1970-01-01T00:00Z.

    The examples of the API have milliseconds and `Z`; offsets, other fractions and none are read
    too, and a time without a zone is taken as UTC. Digits past the microsecond are rounded.

    Args:
        text: A date and time such as `2021-01-20T11:19:54.494Z`.

    Raises:
        ValueError: The text is not a date and time.
    """
    try:
        # It would cut digits past the microsecond off, which are behind the 26th letter.
        moment = datetime.fromisoformat(text if len(text) <= 27 else "")  # noqa: PLR2004
    except ValueError:
        # Python 3.10 does not read `Z`.
        try:
            moment = msgspec.convert(text, datetime)
        except msgspec.ValidationError:
            moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // _MICROSECOND


def in_utc(text: str) -> str:
    """Write a time as loaders take it: in UTC with `Z`, the instant being the same.

    Loaders with columns without a zone drop an offset, and with it the instant; the COPY of
    PostgreSQL does, whatever the session's zone is. What has `Z` already stays as it is.

    Args:
        text: A date and time as `instant` reads it.

    Raises:
        ValueError: The text is not a date and time.
    """
    # 2021-01-20T11:19:54.494Z, with or without the fraction; Python reads more than loaders do.
    if (
        len(text) in {24, 20}
        and text[-1] == "Z"
        and text[7] == "-"
        and text[10] == "T"
        and text[19] in ".Z"
    ):
        datetime.fromisoformat(text[:-1])
        return text
    try:
        moment = _EPOCH + instant(text) * _MICROSECOND
    except OverflowError as error:
        raise ValueError from error  # before the year 1, or after 9999
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
