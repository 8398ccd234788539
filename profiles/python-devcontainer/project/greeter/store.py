"""Remember in a database whom we greeted."""

import sqlite3
import sys

from greeter import greet


def remember(path: str, names: list[str]) -> int:
    """Store a greeting for each name and return how many there are."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table if not exists greetings (text)")
        connection.executemany("insert into greetings values (?)", [(greet(n),) for n in names])
    (count,) = connection.execute("select count(*) from greetings").fetchone()
    connection.close()
    return int(count)


if __name__ == "__main__":
    print(remember(sys.argv[1], ["Ada", "Grace"]))
