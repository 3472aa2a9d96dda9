"""How the tap compares with other ways to read the same account: `./dev bench`."""
