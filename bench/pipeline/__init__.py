"""From suites to cells to DVC stages to processes: what is planned, what is stale, what runs it."""
