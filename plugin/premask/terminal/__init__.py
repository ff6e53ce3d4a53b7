"""What every command line of premask shares: flags, tables, the progress line."""
