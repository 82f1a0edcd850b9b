"""What developers declare in `<app>/notifications.py`: categories, templates and audiences, kept in a registry.

Developers own the contract (variables, category, mandatory); editors own the words. Declarations are written to
the ORM after `migrate`, and everything else reads them there.
"""

from .declare import audience, category, template
from .kinds import SLUG, AudienceDeclaration, AudienceReference, CategoryDeclaration, TemplateDeclaration
from .parameters import Misfit
from .registry import Registry, registry

__all__ = [
    "SLUG",
    "AudienceDeclaration",
    "AudienceReference",
    "CategoryDeclaration",
    "Misfit",
    "Registry",
    "TemplateDeclaration",
    "audience",
    "category",
    "registry",
    "template",
]
