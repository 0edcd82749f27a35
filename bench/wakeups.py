"""What NOTIFY costs PostgreSQL's writers: transactions a second with the triggers as they are, which notify 50 times a
second at most; with one NOTIFY a transaction, with none, and without triggers, side by side.

    DATABASE_URL=postgres://… .venv/bin/python bench/wakeups.py [--seconds 5] [--rounds 3] [--clients 1 8 32 64]

Each transaction updates one row by its key, as an ORM's save() does. It needs `pgbench`, and a database that it may
make a table in; the server's own settings count, `fsync` above all. NOTIFY takes one lock of the whole server from
before a transaction's COMMIT to after it, so that commits go to disk one by one, and not many together.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BACKEND = Path(__file__).resolve().parents[1] / "backend"
ROWS = 10_000
MODEL = "bench_wakeups"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64])
    asked = options.parse_args()

    sys.path.insert(0, str(BACKEND))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.db import connection

    if connection.vendor != "postgresql":
        sys.exit("Set DATABASE_URL to a PostgreSQL database.")
    with connection.cursor() as cursor:
        triggers = prepare(cursor)
    print(f"{'clients':>8}", *(f"{kind:>13}" for kind in triggers))
    for clients in asked.clients:
        seen = {kind: [] for kind in triggers}
        for _ in range(asked.rounds):
            for kind, statements in triggers.items():
                with connection.cursor() as cursor:
                    cursor.execute(f"TRUNCATE channels_databinding_journal; {statements}")
                seen[kind].append(transactions_a_second(connection, clients, asked.seconds))
        print(f"{clients:>8}", *(f"{median(figures):>13,.0f}" for figures in seen.values()), flush=True)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {MODEL}")


def prepare(cursor):
    """Make a table, and return the statements that give it each kind of trigger."""
    from channels_databinding.capture import postgresql

    cursor.execute(postgresql.JOURNAL)
    cursor.execute(
        f"DROP TABLE IF EXISTS {MODEL}; CREATE TABLE {MODEL} (id bigint PRIMARY KEY, body text, at timestamptz)"
    )
    cursor.execute(f"INSERT INTO {MODEL} SELECT n, repeat('x', 100), now() FROM generate_series(1, {ROWS}) n")
    function = postgresql.function("public")
    never = re.sub(r"PERFORM pg_notify.*?;", "NULL;", function)
    always = re.sub(r"IF changed > 0.*?THEN", "IF changed > 0 THEN", function, flags=re.DOTALL)
    create = (
        f"CREATE OR REPLACE TRIGGER bench {postgresql.WHEN['update'].format(relation=MODEL)} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION public.channels_databinding_capture('{MODEL}', 'id', 'id', 'body', 'at')"
    )
    return {
        "50 a second": f"{function}; {create}",
        "always": f"{always}; {create}",
        "never": f"{never}; {create}",
        "no trigger": f"DROP TRIGGER IF EXISTS bench ON {MODEL}",
    }


def transactions_a_second(connection, clients, seconds):
    known = connection.get_connection_params()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    environment = os.environ | {names[name]: str(known[name]) for name in names if known.get(name)}
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set id random(1, {ROWS})\nUPDATE {MODEL} SET at = now() WHERE id = :id;\n")
        script.flush()
        command = ["pgbench", "-n", "-c", str(clients), "-j", "1", "-T", str(seconds), "-f", script.name]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"tps = ([\d.]+) \(without", told)[1])


if __name__ == "__main__":
    main()
