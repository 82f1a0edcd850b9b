"""What Carillon brings along: the trial message, words for digests, the layout of emails, Django's own mail."""

from datetime import timedelta

from .declarations import category, template
from .declarations.slugs import DIGEST, LAYOUT, MAIL, TRIAL

# Mandatory, since somebody asked for it by hand: preferences and quiet hours do not keep it back, suppression does.
trial = category(
    TRIAL,
    mandatory=True,
    priority="high",
    ttl=timedelta(minutes=10),
    channels=["push", "sms", "email"],
    uncertain="hold",  # one attempt: what became of it is looked at, not tried again
)

# Only the words are used: a digest goes out in the category whose messages it gathers.
digest = category(DIGEST, channels=["push", "sms", "email"])

digest_message = template(
    DIGEST,
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
    TRIAL,
    category=trial,
    variables={"installation": str},
    sample={"installation": "https://example.com"},
)

# Nothing is sent with it: its email.html goes around that of other templates. An app that ships words for it, or an
# editor in the console, replaces it.
layout = category(LAYOUT, channels=["email"])

email_layout = template(
    LAYOUT,
    category=layout,
    variables={"content": str, "subject": str, "lang": str, "dir": str},
    sample={"content": "The words of an email.", "subject": "Its subject", "lang": "en", "dir": "ltr"},
)

# Django's own mail: somebody asked for it (a new password, say), and who reads it cannot switch it off.
mail = category(MAIL, mandatory=True, priority="high", ttl=timedelta(days=1), channels=["email"])

mail_message = template(
    MAIL,
    category=mail,
    variables={"subject": str, "text": str},
    sensitive={"text"},  # it may hold a link that sets a password
    sample={"subject": "Password reset", "text": "Follow this link:"},
)
