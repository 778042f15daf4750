"""A form worth filling in: an account at a bank, whose branches depend on it, and it on a country."""

from __future__ import annotations

from .by_hand import BankVerificationByHand
from .verification import BankVerification

__all__ = ["BankVerification", "BankVerificationByHand"]
