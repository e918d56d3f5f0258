"""What the canary tries; without Django, for whoever runs it as a program."""

from enum import StrEnum


class Stage(StrEnum):
    """In the order in which they are tried. Each has an exit code of its own, which stays the same."""

    DATABASE = "database"
    SERVER = "server"
    CHANNEL_LAYER = "channel_layer"
    SOCKET = "socket"
    WEBHOOK = "webhook"
    DISPATCH = "dispatch"
    HINT = "hint"
    ACKNOWLEDGEMENT = "acknowledgement"
    LIST = "list"
    WORKER = "worker"

    @property
    def exit_code(self) -> int:
        return 10 + list(Stage).index(self)
