"""A small installation with a user model of its own; `test_custom_user.py` runs its story."""
