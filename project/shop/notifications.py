"""What the shop notifies about: the contract. The words are in notification_templates/."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import QuerySet

from notifications import audience, category, template

login = category(
    "login",
    mandatory=True,
    priority="critical",
    ttl=timedelta(minutes=10),
    channels=["sms"],
    fallback=["email"],
    patience=20,
)
orders = category("orders", priority="high", channels=["email"])
alerts = category("alerts", priority="high", channels=["push"], fallback=["email"], patience=3)
social = category("social", priority="normal", channels=["push"])
news = category("news", priority="bulk", channels=["push"])

login_code = template(
    "login-code", category=login, variables={"code": str}, sensitive={"code"}, sample={"code": "493021"}
)
order_shipped = template(
    "order-shipped",
    category=orders,
    variables={"number": str, "total": float, "items": list},
    sample={"number": "A-1042", "total": 59.9, "items": ["Bell", "Rope"]},
)
invoice = template(
    "invoice",
    category=orders,
    variables={"order": dict},
    sample={"order": {"number": "A-1042", "total": 59.9}},
)
price_alert = template("price-alert", category=alerts, variables={"product": str}, sample={"product": "Bell"})
new_follower = template("new-follower", category=social, variables={"name": str}, sample={"name": "Ada"})
new_post = template("new-post", category=news, variables={"title": str}, sample={"title": "Casting a bell"})


@audience
def followers(author_id: int) -> QuerySet[User]:
    """Everybody who follows an author."""
    return get_user_model().objects.filter(follows__author_id=author_id, is_active=True)
