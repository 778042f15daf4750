"""A small directory of banks and their branches, as it ships: who has which codes."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

__all__ = ["ACCOUNTS", "AccountRule", "Branch", "banks_in", "branches_of", "rows"]


class Branch(NamedTuple):
    """A branch of a bank.

    Attributes:
        country: GB or IN. bank: the code of its bank. name: its bank's name. code: what it is known by among banks: its
            IFSC in India, its BIC in the United Kingdom. branch: the part of that which is its own.
    """

    country: str
    bank: str
    name: str
    code: str
    branch: str


class AccountRule(NamedTuple):
    """What the account numbers of a country look like.

    Attributes:
        where: the country in a sentence. pattern: all of a number. shape: the same in words.
    """

    where: str
    pattern: re.Pattern[str]
    shape: str


ACCOUNTS = {
    "IN": AccountRule("India", re.compile(r"[0-9]{9,18}"), "9 to 18 digits"),
    "GB": AccountRule("the United Kingdom", re.compile(r"[0-9]{8}"), "8 digits"),
}


@functools.cache
def rows() -> tuple[Branch, ...]:
    """Every branch there is."""
    text = files("nodeloom.demo.banks").joinpath("banks.csv").read_text(encoding="utf-8")
    return tuple(Branch(**row) for row in csv.DictReader(text.splitlines()))


def banks_in(country: str) -> dict[str, str]:
    """The names of a country's banks, by their codes."""
    return {row.bank: row.name for row in rows() if row.country == country}


def branches_of(country: str, bank: str) -> Sequence[Branch]:
    """The branches of a bank in a country."""
    return [row for row in rows() if (row.country, row.bank) == (country, bank)]
