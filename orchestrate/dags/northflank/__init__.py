"""What the DAG is made of: the accounts, one `meltano run`, and the operator around it."""
