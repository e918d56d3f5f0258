"""How much of each work is done: all of it, or little enough for a look while one changes something."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    rounds: int = 3
    single_insights: int = 400  # a round, one at a time
    sockets: int = 1000
    messages_a_socket: int = 20  # forwarded in a round
    many_users: int = 10_000
    all_users: int = 100_000
    user_rows: int = 100_000
    user_unread: int = 20_000
    old_rows: int = 500_000
    old_rows_orm: int = 100_000  # enough for a rate: the ORM would take most of the run for all of them
    burst_a_user: int = 30


FULL = Scale()
QUICK = Scale(
    rounds=1,
    single_insights=150,
    messages_a_socket=10,
    many_users=2000,
    all_users=10_000,
    user_rows=10_000,
    user_unread=2000,
    old_rows=50_000,
    old_rows_orm=10_000,
)
