"""From allocated money to payments: accounts, deductions, payments and the journal."""
