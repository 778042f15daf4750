"""The same node with its form written by hand: a list of fields, and one method for all that depends on others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeloom import Node

from .questions import COUNTRIES, describe_account, list_banks, list_branches
from .verification import ACCOUNT, BankVerification, verified

__all__ = ["BankVerificationByHand"]

Words = dict[str, Any]


def field(name: str, kind: str, label: str, **more: Any) -> Words:
    """A field as a form is told of it."""
    words: Words = {"name": name, "type": kind, "label": label, "required": True, "placeholder": "", "dependsOn": []}
    return {**words, "default": None, "group": "", "options": None, "visible_when": None, **more}


FIELDS = [
    field("country", "select", "Country", options=[each.as_mapping() for each in COUNTRIES]),
    field("bank", "select", "Bank", placeholder="Search by name or code", dependsOn=["country"]),
    field(
        "branch",
        "select",
        "Branch",
        dependsOn=["country", "bank"],
        description="Its IFSC in India, its BIC in the United Kingdom.",
    ),
    field("account", "text", "Account number", placeholder="00912345", limits={"pattern": ACCOUNT}),
    field(
        "bank_info",
        "derived",
        "What is known of it",
        required=False,
        dependsOn=["country", "bank", "branch", "account"],
    ),
    field("note", "text", "Note for the bank", required=False, default="", visible_when="country == 'GB'"),
    field("valid_on", "date", "Valid on", required=False, limits={"format": "date"}),
]


class BankVerificationByHand(Node):
    """Check that an account number can be one of a bank's branch."""

    identifier = "bankVerificationByHand"
    display_name = BankVerification.display_name
    icon = BankVerification.icon
    category = BankVerification.category

    def schema(self) -> Words:  # type: ignore[override]
        """What a form shows."""
        return {"fields": FIELDS}

    async def get_dependent_options(  # type: ignore[override]
        self, field: str, values: Mapping[str, Any], *, query: str = "", cursor: str | None = None
    ) -> Any:
        """What there is to choose from, or what a derived field is, for the values of what it depends on."""
        needed = next(each["dependsOn"] for each in FIELDS if each["name"] == field)
        if any(not values.get(name) for name in needed):
            return None
        given = {name: values[name] for name in needed}
        if field == "bank":
            return list_banks(**given, query=query)
        if field == "branch":
            return list_branches(**given, query=query, cursor=cursor)
        return await describe_account(**given)

    async def work(self, params: Any) -> Mapping[str, Any]:
        """What was verified."""
        return verified(params.account, params.bank_info, params.get("valid_on"))
