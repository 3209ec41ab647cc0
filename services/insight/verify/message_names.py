"""What messages of ours are called: what a `ce_id` says, taken apart. ValueError for what is no name of that kind.

Names are made in `decisions/verdicts`, `decisions/rows`, `decisions/telling` and `decisions/webhooks`.
"""

from __future__ import annotations

from uuid import UUID

Name = tuple[int, str]
"""A number that tells it from the others of the same one, below 0 of what is not expected, and a word."""


def of_uuid(ce_id: str) -> tuple[UUID, str]:
    """The coupon or the event that it begins with, and the rest."""
    id_, rest = UUID(ce_id[:36]), ce_id[37:]
    if ce_id != f"{id_}.{rest}":
        raise ValueError(ce_id)
    return id_, rest


def issued(rest: str) -> Name:
    """`issued`."""
    if rest != "issued":
        raise ValueError(rest)
    return 0, rest


def step(rest: str) -> Name:
    """`<n>.<word>`: the n-th step of a coupon; `delivered` is none."""
    if rest == "delivered":
        return -1, rest
    number, word = rest.split(".")
    return int(number), word


def declined(rest: str) -> Name:
    """`declined.<game>`."""
    word, number = rest.split(".")
    if word != "declined":
        raise ValueError(rest)
    return int(number), word


def entry(rest: str) -> Name:
    """`<n>.<kind>`: the n-th of its decision; a kind alone is of a lot, which time has ended."""
    number, _, word = rest.rpartition(".")
    return (int(number) if number else -1), word


def of_program(rest: str) -> Name:
    """What else the program did in a decision; campaigns keep their numbers, which are above 0.

    A notice of a coming end is its lot's, and told from others by its instant.
    """
    match rest.split("."):
        case ["tier"]:
            return 0, "changed"
        case ["achieved", campaign_id]:
            return int(campaign_id), "achieved"
        case ["revoked", campaign_id, achievement] if achievement.isdecimal():
            return int(campaign_id), "revoked"
        case ["rewarded", "customer" | "friend" as role]:
            return -1 if role == "customer" else -2, "rewarded"
        case ["reward", number]:
            return -2 - int(number), "declined"
        case ["expiring", seconds]:
            return -int(seconds), "expiring"
    raise ValueError(rest)


def follow_up(rest: str) -> Name:
    """`referral`, or `<year>.birthday`."""
    match rest.split("."):
        case ["referral"]:
            return 0, "completed"
        case [year, "birthday"]:
            return int(year), "birthday"
    raise ValueError(rest)


def of_whom(ce_id: str) -> tuple[UUID, str]:
    """The event, or of a birthday the customer's number in place of an id, and the rest."""
    number, _, rest = ce_id.partition(".")
    if rest.endswith(".birthday") and number == str(int(number)):
        return UUID(int=int(number)), rest
    return of_uuid(ce_id)


def of_partner(ce_id: str) -> tuple[UUID, str]:
    """The partner's number in place of an id, and the rest."""
    number, _, rest = ce_id.partition(".")
    if number != str(int(number)):
        raise ValueError(ce_id)
    return UUID(int=int(number)), rest


def switched_off(rest: str) -> Name:
    """`<version>.disabled`: the version of the program that says so."""
    match rest.split("."):
        case [version, "disabled"] if version.isdecimal():
            return int(version), "disabled"
    raise ValueError(rest)
