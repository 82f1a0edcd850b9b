"""The system checks: every bad setting stops `manage.py check` with an id, what is wrong and the line that cures it."""
