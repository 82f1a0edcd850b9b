BBBBBBB BBBBBBBBBBBBBBBBBBBBBBBBBBBB
BBBB BBBB

BBBBB BBBBBBB
XX XXXXXXXXXXXXXXXXXXXXXX XXXXXXXXXXXXXX gettext(u'That took too long, so it was given up. Narrow your filter: choose a shorter time, or search for one message. If it was narrow already, the database is busy: try again in a moment.') XXXX
XXXX XXXXXXXXXXXXXXXXXXXXXXXXXXX XXXXXXXXXXXXXX XXXXXXXX gettext(u'Try again') XXXXXXXXXX
BBBBBBBB
