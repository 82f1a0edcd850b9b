"""The slugs of what Carillon brings along: each is its category's and its template's."""

TRIAL = "carillon-trial"
DIGEST = "carillon-digest"
#: The template whose `email.html` goes around that of others; nothing is ever sent with it.
LAYOUT = "carillon-layout"
#: What goes round Django's own mail, where `EMAIL_BACKEND` is ours.
MAIL = "carillon-mail"
BUILT_IN = frozenset({TRIAL, DIGEST, LAYOUT, MAIL})
