"""Singer tap for the restore history of Northflank databases."""
