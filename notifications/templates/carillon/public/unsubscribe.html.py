BBBBBBB BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB BBBB
BBBBB BBBBBBB BBBBBBBBBB pgettext(u'carillon', u'Unsubscribe') BBBB gettext(u'You are unsubscribed') BBBBBBBBBBBBB
BBBBB BBBBBBB
BB BBBBBBBBBB
XXXX pgettext(u'carillon', u'Unsubscribe') XXXXX
XXXBB BBBBBBBBBBBBB gettext(u'Do you want to receive nothing more at this address by %(channel)s?') SS SSS SSSS SS SSSSSSS SSSSSSS SSSS SS SSSS SSSSSSS SS SSSSSSSSSSSS  gettext(u'This ends messages of every kind, also those that belong to the service itself, such as log-in codes.') BBBB gettext(u'Do you want to receive no more messages of the kind “%(category)s” by %(channel)s?') SS SSS SSSS SS SSSSSSS SS SSSS SSSSSSSS SS SSS SSSS SSSSSSSSSSSSSS SS SSSSSSSSSSSSBBBBBXXXX
XXXXX XXXXXXXXXXXXXX
XXXXXXXX pgettext(u'carillon', u'Unsubscribe') XXXXXXXXX
XXXXXXX
BBBB
XXXX gettext(u'You are unsubscribed') XXXXX
XX XXXXXXXXXXXX XXXXXXXXXXXXXXBB BBBBBBBBBBBBB gettext(u'You will receive nothing more at this address by %(channel)s, neither other kinds of messages nor those that belong to the service itself, such as log-in codes. One that is under way at this moment may still arrive.') SSS SSSS SSSSSSS SSSSSSS SSSS SS SSSS SSSSSSS SS SSSSSSSSSSSS SSSSSSS SSSSS SSSSS SS SSSSSSSS SSS SSSSS SSSS SSSSSS SS SSS SSSSSSS SSSSSSS SSSS SS SSSSSS SSSSSS SSS SSSS SS SSSSS SSS SS SSSS SSSSSS SSS SSSSS SSSSSSSBBBB gettext(u'You will receive no more messages of the kind “%(category)s” by %(channel)s. One that is under way at this moment may still arrive.') SSS SSSS SSSSSSS SS SSSS SSSSSSSS SS SSS SSSS SSSSSSSSSSSSSS SS SSSSSSSSSSSS SSS SSSS SS SSSSS SSS SS SSSS SSSSSS SSS SSSSS SSSSSSSBBBBBXXXX
XXXXX XXXXXXXXXXXXXX
XXXXXX XXXXXXXXXXXXX XXXXXXXXXXXXX XXXXXXXXX
XXXXXXXX gettext(u'I want them after all') XXXXXXXXX
XXXXXXX
BBBBB
BB BBBBBBBBBBBBBBBXXXXX XXXXXXXX gettext(u'All my notification settings') XXXXXXXXBBBBB
BBBBBBBB
