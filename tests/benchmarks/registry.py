"""All scenarios in the order in which they run: the name for `ONLY=`, and the module whose `run` makes the figures."""

from __future__ import annotations

SCENARIOS: dict[str, str] = {
    # These share a deployment with QUICK=1; the batch endpoint leaves most behind.
    "broadcast": "tests.benchmarks.broadcast",
    "rivals": "tests.benchmarks.push_rivals",
    "single": "tests.benchmarks.single",
    "login_codes": "tests.benchmarks.login_codes",
    "held_snapshot": "tests.benchmarks.held_snapshot",
    "email": "tests.benchmarks.email_rival",
    "batch": "tests.benchmarks.batch",
    # These need one of their own.
    "planning": "tests.benchmarks.planning",
    "callbacks": "tests.benchmarks.callbacks",
    "slow_provider": "tests.benchmarks.slow_provider",
    "big_log": "tests.benchmarks.big_log",
    "two_hosts": "tests.benchmarks.two_hosts",
}

#: The figures that each makes, so that ONLY= may name a figure too.
FIGURES: dict[str, tuple[str, ...]] = {
    "broadcast": ("broadcast_push_per_s", "broadcast_exact", "worker_rss_mb", "valkey_growth_mb", "cost_1m_vs_10k"),
    "rivals": ("share_of_bare_client", "vs_rq_job_each", "vs_celery"),
    "planning": ("plan_share_of_insert_select",),
    "single": ("single_per_s", "single_share_of_bare_view", "accept_p50_vs_bare_view", "accept_p99_vs_bare_view"),
    "batch": ("batch_per_s",),
    "callbacks": ("webhook_burst_s", "webhook_p99_vs_bare_view"),
    "login_codes": ("otp_p50_s", "otp_p99_s"),
    "slow_provider": ("rate_at_100ms_latency",),
    "held_snapshot": ("rate_with_held_snapshot",),
    "big_log": ("cost_on_10m_rows", "console_p95_ms"),
    "email": ("email_vs_post_office",),
    "two_hosts": ("two_hosts",),
}
