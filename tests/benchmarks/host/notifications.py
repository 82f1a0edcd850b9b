"""What benchmarks notify about: every body is personal, so that nothing can be rendered once for all."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from notifications import audience, category, template

news = category("bench-news", priority="bulk", channels=["push"])
letters = category("bench-letters", priority="bulk", channels=["email"])

post = template(
    "bench-post", category=news, variables={"title": str, "name": str}, sample={"title": "Bells", "name": "Ada"}
)
letter = template(
    "bench-letter", category=letters, variables={"title": str, "name": str}, sample={"title": "Bells", "name": "Ada"}
)


@audience
def bench_followers(author_id: int) -> QuerySet[User]:
    """Everybody who follows an author, with the name that their message greets."""
    users = get_user_model().objects.filter(follows__author_id=author_id, is_active=True)
    return users.annotate(name=F("first_name"))
