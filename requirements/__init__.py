"""What Meltano installs, and what builds the wheel: exact versions and hashes, from the locks."""
