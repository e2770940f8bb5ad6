"""Likelihoods and significances of counts."""

from lightpool.stats.cash import CashCountsStatistic, cash, cash_sum

__all__ = ["CashCountsStatistic", "cash", "cash_sum"]
