"""Scheduled runs: shards, runs at once, state that is kept elsewhere, and Airflow."""
