"""The pool in one folder, on one machine: PostgreSQL, Redis, API, scheduler and a worker as children of one process.

Owns starting, watching and stopping them. Knows none of the service's rules, only its commands.
"""
