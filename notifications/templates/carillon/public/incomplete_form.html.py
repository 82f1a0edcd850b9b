BBBBBBB BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB BBBB
BBBBB BBBBB gettext(u'Nothing was changed') BBBBBBBB
BBBBB BBBBBBB
XXXX gettext(u'Nothing was changed') XXXXX
XXX gettext(u'What you chose did not arrive as a whole. Open the link again from the message that you received, and choose anew.') XXXX
BBBBBBBB
