"""`python -m bench [NAME …]`: measure each figure the design names, and print the ratios.

    accept      1  durable accept against bare uvicorn and Postfix
    latency     2  one connection, 64 connections, beside large messages
    delivered   3  POST to smtp-sink against Postfix and smtp-source
    memory      4  idle, start, a large attachment
    listing     5  lists, counts and filters of 1M messages against 10k
    search      6  a rare word in 1M messages against 10k
    delta       7  delta rounds in 1M messages against 10k
    queue       8  claims and draining: 1M queued deliveries to 1,000 destinations against 10k
    postgres    9  accept on PostgreSQL against SQLite; processor time of two nodes against one
    sick        -  healthy destinations beside dead, slow and flaky ones
    inbound     -  mail over SMTP into an Inbox against Postfix's accept; memory for large ones
    throttled   -  durable accept with limits against without: processor time a request
    tokens      -  64 clients, with a tenth of invalid tokens against without
    stages      -  where the time of an accepted message goes

Peers run on the same machine in the same run; Postfix's are left out where it is not installed.  Beside these are
`bench.mail`, `bench.store` and `bench.transport`: one part each.
"""

from __future__ import annotations

import sys
from importlib import import_module

LINES = (
    "accept",
    "latency",
    "delivered",
    "memory",
    "listing",
    "search",
    "delta",
    "queue",
    "postgres",
    "sick",
    "inbound",
    "throttled",
    "tokens",
    "stages",
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in LINES]
    if unknown:
        print(f"bench: no such figure: {', '.join(unknown)}; there are {', '.join(LINES)}", file=sys.stderr)
        return 2
    rows: list[str] = []
    for name in names or LINES:
        print(f"{name}:", flush=True)
        rows += import_module(f"bench.{name}").run()
    print()
    print("\n".join(rows))
    return 0


sys.exit(main(sys.argv[1:]))
