"""Takes the write lock of a SQLite database as another program would that writes to it, a backup say.

store_lock.py FILE [HELD_MS FREE_MS]: keeps it until the process ends, or takes and gives it back by turns. Says `held`
when it has it first.
"""

import sqlite3
import sys
import time

database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
held_s, free_s = (int(ms) / 1000 for ms in sys.argv[2:4]) if len(sys.argv) > 2 else (3600, 0)
first = True
while True:
    database.execute("BEGIN IMMEDIATE")
    if first:
        print("held", flush=True)
        first = False
    time.sleep(held_s)
    database.execute("ROLLBACK")
    time.sleep(free_s)
