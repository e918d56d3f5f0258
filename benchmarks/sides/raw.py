"""Raw statements through psycopg: what a writer without Django stores for one notification. One row, one commit."""

import os

import psycopg
from insight import HEADLINE, NARRATIVE

TABLE = """
CREATE TABLE IF NOT EXISTS notification (
    id bigserial PRIMARY KEY, user_id bigint NOT NULL, strategy text NOT NULL, title text NOT NULL,
    snippet text NOT NULL, headline text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    read boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS notification_newest ON notification (user_id, created_at DESC);
"""
INSERT = """
INSERT INTO notification (user_id, strategy, title, snippet, headline) VALUES (%s, %s, %s, %s, %s) RETURNING id
"""
INSERT_MANY = """
INSERT INTO notification (user_id, strategy, title, snippet, headline)
SELECT unnest(%s::bigint[]), %s, %s, %s, %s RETURNING id
"""


class Store:
    def __init__(self) -> None:
        self.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self.connection.execute(TABLE)

    def add(self, user_id: int, tag: int) -> int:
        row = self.connection.execute(INSERT, [user_id, f"bench-{tag}", "New Insight", NARRATIVE, HEADLINE]).fetchone()
        assert row is not None
        return int(row[0])

    def add_for_all(self, user_ids: list[int], tag: int) -> list[int]:
        values = [user_ids, f"bench-{tag}", "New Insight", NARRATIVE, HEADLINE]
        return [int(row[0]) for row in self.connection.execute(INSERT_MANY, values)]
