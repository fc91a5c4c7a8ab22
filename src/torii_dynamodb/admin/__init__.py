"""The control plane: tables, autoscaling, backups, export and import, migrations, verification.

Blocking, for operators and deployment scripts; ``torii-dynamodb --help`` lists the same as commands. Applications do
not need it at run time; neither the storage nor the services import it.
"""
