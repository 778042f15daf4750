"""What the form of an account asks the directory: banks by country, branches by bank, and what an account is."""

from __future__ import annotations

from typing import Any

from nodeloom import Option
from nodeloom.forms import Page

from . import directory

__all__ = ["COUNTRIES", "PAGE", "describe_account", "list_banks", "list_branches"]

COUNTRIES = (Option("IN", "India"), Option("GB", "United Kingdom"))
PAGE = 15
"""How many branches are on a page."""


def list_banks(country: str, *, query: str = "") -> list[Option]:
    """The banks of a country whose name or code holds the search text."""
    banks = [Option(code, name) for code, name in directory.banks_in(country).items()]
    wanted = query.lower()
    return [bank for bank in banks if wanted in f"{bank.label} {bank.value}".lower()]


def list_branches(country: str, bank: str, *, query: str = "", cursor: str | None = None) -> Page:
    """The branches of a bank whose code holds the search text, a page at a time."""
    found = [each for each in directory.branches_of(country, bank) if query.upper() in each.code]
    begin, end = int(cursor or 0), int(cursor or 0) + PAGE
    options = tuple(Option(each.branch, each.code) for each in found[begin:end])
    return Page(options, str(end) if end < len(found) else None)


async def describe_account(country: str, bank: str, branch: str, account: str) -> dict[str, Any]:
    """What is known of an account.

    Raises:
        ValueError: no account number of that country looks like this, or there is no such branch.
    """
    rule = directory.ACCOUNTS[country]
    if not rule.pattern.fullmatch(account):
        raise ValueError(f"an account number in {rule.where} has {rule.shape}, not {account!r}")
    for each in directory.branches_of(country, bank):
        if each.branch == branch:
            return {"bank": each.name, "branch_code": each.code, "account_format": rule.shape}
    raise ValueError(f"{bank} has no branch {branch!r}")
