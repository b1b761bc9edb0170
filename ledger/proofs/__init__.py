"""Everything an auditor needs to check a log: pure functions over bytes, without a database, a network or a clock."""
