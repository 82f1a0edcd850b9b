"""The table of decisions: rule by rule, which boundary leads to which outcome; zones and dates are named."""
