"""What else there is, each in its best reasonable form: small programs that send the same messages to the same sink.

None of them records what became of a message, asks for preferences, or knows of quiet hours: that is in their favour.
"""
