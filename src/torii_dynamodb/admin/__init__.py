"""The control plane: tables, autoscaling, backups, export and import, migrations, verification.

Blocking, for operators and deployment scripts; ``torii-dynamodb --help`` is the same as commands. Nothing of it is
needed at run time, and nothing of it is imported by the storage or the services.
"""
