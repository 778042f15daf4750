"""A bank account, checked: a node whose form follows from typed params."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from nodeloom import Field, Node, Params

from .questions import COUNTRIES, describe_account, list_banks, list_branches

__all__ = ["ACCOUNT", "Account", "BankVerification", "verified"]

ACCOUNT = "^[0-9]{8,18}$"
"""An account number of any country."""


class Account(Params):
    """An account at a branch of a bank."""

    country: Literal["IN", "GB"] = Field(options=COUNTRIES)
    bank: str = Field(options=list_banks, placeholder="Search by name or code")
    branch: str = Field(options=list_branches, description="Its IFSC in India, its BIC in the United Kingdom.")
    account: str = Field(label="Account number", placeholder="00912345", pattern=ACCOUNT)
    bank_info: dict[str, Any] = Field(label="What is known of it", derived=describe_account)
    note: str = Field("", label="Note for the bank", visible_when="country == 'GB'")
    valid_on: date | None = Field(None, label="Valid on")


class BankVerification(Node):
    """Check that an account number can be one of a bank's branch."""

    identifier = "bankVerification"
    display_name = "Verify a bank account"
    icon = "landmark"
    category = "banks"

    class Outputs(Params):
        bank: str
        branch_code: str
        account: str
        valid_on: str | None

    async def work(self, params: Account) -> Mapping[str, Any]:
        """What was verified; a form that does not fit never comes here."""
        return verified(params.account, params.bank_info, params.valid_on)


def verified(account: str, info: Mapping[str, Any], valid_on: date | None) -> Mapping[str, Any]:
    """The outputs for an account that fits."""
    return {
        "bank": info["bank"],
        "branch_code": info["branch_code"],
        "account": account,
        "valid_on": valid_on.isoformat() if valid_on is not None else None,
    }
