BBBBBBB BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB BBBB
BBBBB BBBBB gettext(u'This link does not work') BBBBBBBB
BBBBB BBBBBBB
XXXX gettext(u'This link does not work') XXXXX
XXX gettext(u'It may have been cut off on its way. Open it again from the message that you received, as a whole.') XXXX
BBBBBBBB
