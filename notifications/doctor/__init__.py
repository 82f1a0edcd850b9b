"""The doctor: looks at a whole installation, and says of everything that is wrong what it is and what cures it."""
