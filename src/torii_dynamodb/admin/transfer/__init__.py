"""Portable export and import: all tables as JSON lines, one item on each line in DynamoDB's own JSON.

An export is a directory::

    export.json              what is exported, and how; written first
    users/part-0000.jsonl.gz one file for each segment of a parallel scan
    users/part-0000.state    the progress of the file, until it is complete
    manifest.json            every file with its items, bytes and SHA-256; written last: without it, no export

Items are not changed, so that an import restores exactly what was exported: hashes stay hashes, numbers keep every
digit. An export is not a snapshot (DynamoDB's ``Scan`` never is): for one instant of all tables, restore them to it
(:mod:`torii_dynamodb.admin.backups`) and export the restored tables, or stop all writes during the export.
"""

from __future__ import annotations

from torii_dynamodb.admin.transfer.exporting import ExportReport, export
from torii_dynamodb.admin.transfer.files import FORMAT_VERSION, Compression, IntegrityError, canonical, read_manifest
from torii_dynamodb.admin.transfer.importing import ImportReport, import_

__all__ = [
    "FORMAT_VERSION",
    "Compression",
    "ExportReport",
    "ImportReport",
    "IntegrityError",
    "canonical",
    "export",
    "import_",
    "read_manifest",
]
