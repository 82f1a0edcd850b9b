"""The pages that a problem's `type` leads to: what it means and what to do."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .problems import KINDS


@require_safe
def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain one kind of problem."""
    if slug not in KINDS:
        raise Http404
    return render(request, "carillon/problem.html", {"kind": KINDS[slug]})


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    """List every kind of problem."""
    return render(request, "carillon/problems.html", {"kinds": sorted(KINDS.values(), key=lambda kind: kind.slug)})
