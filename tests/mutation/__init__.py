"""Whether the tests of the rules would notice a wrong rule: each of its conditions is turned round, one at a time."""
