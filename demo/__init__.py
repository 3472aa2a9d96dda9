"""The whole pipeline on one machine: a simulated account, Meltano and an embedded PostgreSQL."""
