"""What every stage that trains does around the one loop: events, metrics file, checkpoint slot."""
