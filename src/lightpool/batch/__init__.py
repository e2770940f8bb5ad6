"""Reduce many observations: plan, reduce in chunks with any number of workers, resume, and stack without loss."""

from lightpool.batch.engine import BatchResult, plan_to_resume, run_batch
from lightpool.batch.plan import Plan, make_plan
from lightpool.names import show_public

__all__ = ["BatchResult", "Plan", "make_plan", "plan_to_resume", "run_batch"]

show_public(__name__)
