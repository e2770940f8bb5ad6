"""Likelihoods and significances of counts."""

from lightpool.names import show_public
from lightpool.stats.cash import cash, cash_sum
from lightpool.stats.counts_statistic import CashCountsStatistic, CountsStatistic, WStatCountsStatistic
from lightpool.stats.wstat import get_wstat_gof_terms, get_wstat_mu_bkg, wstat, wstat_sum

__all__ = [
    "CashCountsStatistic",
    "CountsStatistic",
    "WStatCountsStatistic",
    "cash",
    "cash_sum",
    "get_wstat_gof_terms",
    "get_wstat_mu_bkg",
    "wstat",
    "wstat_sum",
]

show_public(__name__)
