"""What Carillon itself can send: the trial message of `manage.py carillon trial`, and digests without own words."""

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

# Only the words are used: a digest goes out in the category whose messages it gathers.
digest = category("carillon-digest", channels=["push", "sms", "email"])

digest_message = template(
    "carillon-digest",
    category=digest,
    variables={"count": int, "items": list, "more": int},
    sample={
        "count": 12,
        "items": [
            {"title": "Ada liked your post", "text": "Casting a bell", "url": "", "count": 11, "key": "post-7"},
            {"title": "Grace follows you", "text": "", "url": "", "count": 1, "key": ""},
        ],
        "more": 0,
    },
)

trial_message = template(
    "carillon-trial",
    category=trial,
    variables={"installation": str},
    sample={"installation": "https://example.com"},
)
