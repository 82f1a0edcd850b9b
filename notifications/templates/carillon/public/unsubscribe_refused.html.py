BBBBBBB BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB BBBB
BBBBB BBBBB gettext(u'These messages cannot be switched off') BBBBBBBB
BBBBB BBBBBBB
XXXX gettext(u'These messages cannot be switched off') XXXXX
XXX gettext(u'They belong to the service itself, such as log-in codes, or there are no such messages any more.') XXXX
BBBBBBBB
