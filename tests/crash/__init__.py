"""What happens when something dies: drivers, heads, fork servers, workers; and what users may do to a session without breaking it."""
