"""Alerts, the check for CI, and the file for Prometheus, on marts that the tests write."""
