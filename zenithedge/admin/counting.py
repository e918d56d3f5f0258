"""Pages of lists that may have millions of rows: neither counted to the end nor paged through to it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db import connections
from django.utils.formats import number_format
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator  # generic in the stubs only

EXACT_UP_TO = 100_000
# A page costs as much as all rows before it: 200 pages of 50 rows are a few hundredths of a second.
MOST_PAGES = 200


class BoundedPaginator(AnyPaginator):
    """Counts up to EXACT_UP_TO, and shows the first MOST_PAGES pages: what lies behind is found by a filter.

    Of a whole table with more rows PostgreSQL knows about how many it has, without looking at them.
    """

    @cached_property
    def count(self) -> int:
        return self.estimate or min(self._capped, EXACT_UP_TO)

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MOST_PAGES)

    @property
    def cut_off(self) -> bool:
        """Whether rows lie behind the last page."""
        return self.count > MOST_PAGES * self.per_page

    @property
    def count_in_words(self) -> str:
        if self.estimate:
            return _("about %(count)s") % {"count": number_format(self.estimate, force_grouping=True)}
        if self._capped > EXACT_UP_TO:
            return _("more than %(count)s") % {"count": number_format(EXACT_UP_TO, force_grouping=True)}
        return number_format(self._capped, force_grouping=True)

    @property
    def rows_shown(self) -> str:
        return number_format(MOST_PAGES * self.per_page, force_grouping=True)

    @cached_property
    def estimate(self) -> int | None:
        """Of all rows, where they are too many to be counted and PostgreSQL has looked at the table before."""
        rows: Any = self.object_list
        connection = connections[rows.db]
        if rows.query.where or connection.vendor != "postgresql":
            return None
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(rows.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
            (about,) = cursor.fetchone()
        return about if about > EXACT_UP_TO else None

    @cached_property
    def _capped(self) -> int:
        """The number of rows, or one more than EXACT_UP_TO when there are more."""
        rows: Any = self.object_list
        found: int = rows.order_by()[: EXACT_UP_TO + 1].count()
        return found
