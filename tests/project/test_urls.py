"""The project's own URLs."""

from django.test import Client


def test_the_root_leads_to_the_console(client: Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
