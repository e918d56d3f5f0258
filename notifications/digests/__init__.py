"""The daily e-mail: when it is due, what is in it, how it is sent.

`times` (pure) <- `runs` (the outbox) and `content` <- `mail` (what is written) <- `sending` (what goes out).
"""
