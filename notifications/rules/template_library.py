"""The tags and filters that words may use: Django's, without those that reach files, settings, URLs or requests."""

from django.template import Library
from django.template.defaultfilters import register as django_filters
from django.template.defaulttags import register as django_tags
from django.templatetags.i18n import register as i18n
from django.templatetags.l10n import register as l10n
from django.templatetags.tz import register as tz

ALLOWED_TAGS = (
    "comment",
    "cycle",
    "filter",
    "firstof",
    "for",
    "if",
    "ifchanged",
    "now",
    "regroup",
    "resetcycle",
    "spaceless",
    "templatetag",
    "verbatim",
    "widthratio",
    "with",
)
ALLOWED_I18N = ("translate", "trans", "blocktranslate", "blocktrans", "language")
# `safe` and its kin would undo escaping; `pprint` prints the inside of values.
FORBIDDEN_FILTERS = ("safe", "safeseq", "pprint")

register = Library()
register.tags.update({name: django_tags.tags[name] for name in ALLOWED_TAGS})
register.tags.update({name: i18n.tags[name] for name in ALLOWED_I18N})
register.tags.update(l10n.tags)
register.tags.update({name: tag for name, tag in tz.tags.items() if name in ("localtime", "timezone")})
for _library in (django_filters, l10n, tz, i18n):
    register.filters.update({name: rule for name, rule in _library.filters.items() if name not in FORBIDDEN_FILTERS})
