"""Reading: one noun a module. Functions take a connection and return rows as stored; times in microseconds."""
