"""What Carillon itself can send: the trial message of `manage.py carillon trial`."""

from datetime import timedelta

from .declarations import category, template

# Mandatory, since somebody asked for it by hand: preferences and quiet hours do not keep it back, suppression does.
trial = category(
    "carillon-trial",
    mandatory=True,
    priority="high",
    ttl=timedelta(minutes=10),
    channels=["push", "sms", "email"],
    uncertain="hold",  # one attempt: what became of it is looked at, not tried again
)

trial_message = template(
    "carillon-trial",
    category=trial,
    variables={"installation": str},
    sample={"installation": "https://example.com"},
)
