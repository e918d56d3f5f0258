"""What the market's side tells whoever wants to know, inside the transaction that did it; it knows none of them."""

from __future__ import annotations

from django.dispatch import Signal as Event

# Each is sent with `signal_ids` (a list, not empty) and `owner_id` (None: house signals), by sender `Signal`.
insights_settled = Event()  # their target or stop was reached
insights_reversed = Event()  # a later signal of the other side turned them
