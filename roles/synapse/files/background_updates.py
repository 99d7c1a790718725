"""Prints how many background updates an empty database still waits for; 0 where people have accounts already.

Until they are done, Synapse's own user directory would work through every room made meanwhile, at members² rows each.

    background_updates.py 40-secrets.yaml
"""

import sys
from pathlib import Path

import psycopg2
import yaml

QUERY = """
SELECT CASE WHEN EXISTS (SELECT 1 FROM users) THEN 0 ELSE (SELECT COUNT(*) FROM background_updates) END
"""

arguments = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))["database"]["args"]
options = {name: value for name, value in arguments.items() if not name.startswith("cp_")}
with psycopg2.connect(**options) as connection, connection.cursor() as cursor:
    cursor.execute(QUERY)
    print(cursor.fetchone()[0])  # noqa: T201 -- what the role reads
