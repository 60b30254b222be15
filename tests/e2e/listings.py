#!/usr/bin/python3
"""When labels and series are listed: those of the last hours at once, those of old ranges when their lines are in segments (as Loki has it)."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, equal, main, running  # noqa: E402


def listed(server, begin, end):
    """(label names, values of app, number of series)"""
    def data(path, **params):
        return server.get(f"/loki/api/v1/{path}", {"start": begin, "end": end, **params}).json().get("data", [])

    return data("labels"), data("label/app/values"), len(data("series", match='{app=~".+"}'))


def recent_at_once_old_when_stored(directory):
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": "new"}, [(now, "x")]), ({"app": "old"}, [(T0, "x"), (T0 + 1900 * NS, "x")])])
        names = ["app", "service_name"]
        equal(listed(server, now - 3600 * NS, now + NS), (names, ["new"], 1), "the last hour")
        equal(listed(server, T0, T0 + 3600 * NS), ([], [], 0), "an old hour, lines in memory")
        equal(listed(server, T0, T0 + 3701 * NS), (names, ["old"], 1), "an old hour, lines in memory, silent for half an hour at its end")
        equal(server.count('{app="old"}'), 2, "a query finds the old lines at once")
        server.flush()
        equal(listed(server, T0, T0 + 3600 * NS), (names, ["old"], 1), "an old hour, lines stored")
        equal(listed(server, now - 3600 * NS, now + NS), (names, ["new"], 1), "the last hour, lines stored")


if __name__ == "__main__":
    main(recent_at_once_old_when_stored)
