"""Users from other systems and to other systems: one row for each user, with the hash of the password.

For all tables of this library as they are, see :mod:`torii_dynamodb.admin.transfer`.
"""

from __future__ import annotations

from torii_dynamodb.admin.moving.exporting import UserExportReport, export_users
from torii_dynamodb.admin.moving.importing import UserImportReport, import_users, report_beside
from torii_dynamodb.admin.moving.reading import FORMATS, detect, format_named, open_export
from torii_dynamodb.admin.moving.reports import RowOutcome
from torii_dynamodb.admin.moving.rows import LegacyFormat, LegacyRow

__all__ = [
    "FORMATS",
    "LegacyFormat",
    "LegacyRow",
    "RowOutcome",
    "UserExportReport",
    "UserImportReport",
    "detect",
    "export_users",
    "format_named",
    "import_users",
    "open_export",
    "report_beside",
]
