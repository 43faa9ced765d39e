"""The scheduler on a clock of its own: the same `plan()`, no database, no workers, a week in less than a minute.

What is asked of the pool comes from `workload` (made up), `swf` or `history` (recorded); `quotas` reads the tree;
`pool` holds the state that the database holds elsewhere; `simulator` moves the clock; `forecasts` tells items when they
may start; `record` is what happened, `measures` what that says; `baselines` decide otherwise on the same clock;
`experiment` is all that `make simulate` runs. Why: docs/decisions/0019-simulator.md.
"""
