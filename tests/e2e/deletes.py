#!/usr/bin/python3
"""Delete requests: what they name is gone at once, stays gone after a restart and after kill -9, and comes back when they are cancelled."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import NS, T0, Server, check, equal, main, running, wait_until  # noqa: E402
from web_socket import WebSocket  # noqa: E402

PATH = "/loki/api/v1/delete"
S = T0 // NS


def fill(server):
    server.push_ok([({"app": app}, [(T0 + n * NS, f"{'error' if n % 10 == 0 else 'info'} {app} {n}") for n in range(100)])
                    for app in ("a", "b")])


def delete(server, query, start=S, end=S + 3600):
    answer = server.request("POST", PATH, {"query": query, "start": start, "end": end})
    equal((answer.status, answer.text), (204, ""), f"delete {query}")
    return {name.lower(): value for name, value in answer.headers.items()}["x-delete-request-id"]


def counts(server):
    """By counting (which block headers may answer) and by reading; both must agree."""
    counted = {app: server.count(f'{{app="{app}"}}') for app in ("a", "b")}
    read = {app: len(server.lines(f'{{app="{app}"}}')) for app in ("a", "b")}
    equal(counted, read, "counted and read")
    return read


def life(directory):
    with running(Server(directory)) as server:
        fill(server)
        equal(counts(server), {"a": 100, "b": 100}, "before")
        by_time = delete(server, '{app="a"}', S + 10, S + 19)
        equal(counts(server), {"a": 90, "b": 100}, "both ends inclusive, in memory")
        equal([line for _, line in server.lines('{app="a"}')][9:11], ["info a 9", "error a 20"], "around the gap")
        server.flush()
        equal(counts(server), {"a": 90, "b": 100}, "in a segment")
        by_filter = delete(server, '{app=~".+"} |= "error"')
        equal(counts(server), {"a": 81, "b": 90}, "a line filter over two streams")
        whole = delete(server, '{app="b"} | logfmt | app="nothing"')
        equal(counts(server), {"a": 81, "b": 90}, "a stage that nothing passes")
        listed = server.get(PATH).json()
        equal([r["request_id"] for r in listed], [by_time, by_filter, whole], "the list, in order of creation")
        equal({k: listed[0][k] for k in ("start_time", "end_time", "query", "status", "user_id")},
              {"start_time": S + 10, "end_time": S + 19, "query": '{app="a"}', "status": "received", "user_id": ""}, "an element")
        equal(server.get(PATH, {"start": S + 3601, "end": S + 3700}).text, "[]\n", "outside of the asked time")

        server.kill()
        server.start()
        equal(counts(server), {"a": 81, "b": 90}, "after kill -9")
        server.stop()
        server.start()
        equal(counts(server), {"a": 81, "b": 90}, "after a restart")

        equal(server.request("DELETE", PATH, {"request_id": "nope"}).status, 404, "an unknown request")
        equal(server.request("DELETE", PATH).status, 400, "cancelling without saying what")
        equal(server.request("DELETE", PATH, {"request_id": by_filter}).status, 204, "cancel")
        equal(counts(server), {"a": 90, "b": 100}, "after the cancel")
        server.kill()
        server.start()
        equal(counts(server), {"a": 90, "b": 100}, "the cancel is durable too")


def refusals(directory):
    with running(Server(directory)) as server:
        good = {"query": '{a="b"}', "start": S, "end": S + 10}
        rows = [
            ({}, 400, "query not set\n"),
            ({"query": '{a="b"}'}, 400, "start time not set\n"),
            ({**good, "query": "{a="}, 400, "invalid query expression\n"),
            ({**good, "query": "{}"}, 400, "invalid query expression\n"),
            ({**good, "query": 'rate({a="b"}[5m])'}, 400, "invalid query expression\n"),
            ({**good, "query": '{a="b"} |~ "("'}, 400, "invalid query expression\n"),
            ({**good, "start": "x"}, 400, "invalid start time: require unix seconds or RFC3339 format\n"),
            ({**good, "start": "123"}, 400, "invalid start time: require unix seconds or RFC3339 format\n"),
            ({**good, "end": "x"}, 400, "invalid end time: require unix seconds or RFC3339 format\n"),
            ({**good, "end": "9999999999"}, 400, "deletes in the future are not allowed\n"),
            ({**good, "end": S}, 400, "start time can't be greater than or equal to end time\n"),
            ({**good, "query": '{a="b"} |= "x"', "max_interval": "z"}, 400, "invalid max_interval: valid time units are 's', 'm', 'h'\n"),
            ({**good, "query": '{a="b"} |= "x"', "max_interval": "48h"}, 400, "max_interval can't be greater than 24h0m0s\n"),
            ({**good, "query": '{a="b"} |= "x"', "max_interval": "1m"}, 400,
             "max_interval can't be greater than the interval to be deleted (10s)\n"),
            ({**good, "query": '{a="b"} |= "x"', "max_interval": "1m", "start": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(S))}.0004567Z", "end": S + 10}, 400,
             "max_interval can't be greater than the interval to be deleted (9.999s)\n"),
            ({**good, "max_interval": "z"}, 204, ""),
        ]
        for params, status, text in rows:
            answer = server.request("PUT", PATH, params)
            equal((answer.status, answer.text), (status, text), f"{params}")
        answer = server.request("POST", PATH, None, "query=%7Ba%3D%22b%22%7D&start=1", {"Content-Type": "application/x-www-form-urlencoded"})
        equal((answer.status, answer.text), (400, "query not set\n"), "a form body is not looked at")
    with running(Server(directory + "-off", "limits_config:\n  deletion_mode: disabled\n")) as server:
        answer = server.get(PATH)
        equal((answer.status, answer.text), (403, "deletion is not available for this tenant\n"), "deletion_mode: disabled")


def tails(directory):
    """A live tail shows no line that a delete names: none of the past, and none that comes late into its time."""
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": "t"}, [(now - 50 * NS, "bad past"), (now - 49 * NS, "good past")])])
        delete(server, '{app="t"} |= "bad"', now // NS - 60, now // NS - 1)
        tail = WebSocket(server.port, "/loki/api/v1/tail", {"query": '{app="t"}', "start": now - 100 * NS})
        shown = []

        def read_until(last):
            while last not in shown:
                frame = tail.message(20)
                check(frame is not None, f"{last} does not come; {shown}")
                shown.extend(line for stream in json.loads(frame)["streams"] for _, line, *_ in stream["values"])

        read_until("good past")
        server.push_ok([({"app": "t"}, [(now - 40 * NS, "bad late"), (now - 39 * NS, "good late"), (now + NS, "bad but after it")])])
        read_until("bad but after it")
        equal(shown, ["good past", "good late", "bad but after it"], "what the tail shows")
        tail.close()


def tails_that_wait(directory):
    """With delay_for, lines are held back for a while: those that a delete names meanwhile are not shown either."""
    with running(Server(directory)) as server:
        now = time.time_ns()
        server.push_ok([({"app": "w"}, [(now - 50 * NS, "past")])])
        tail = WebSocket(server.port, "/loki/api/v1/tail", {"query": '{app="w"}', "start": now - 100 * NS, "delay_for": 5})
        shown = []

        def read_until(last):
            while last not in shown:
                frame = tail.message(30)
                check(frame is not None, f"{last} does not come; {shown}")
                shown.extend(line for stream in json.loads(frame)["streams"] for _, line, *_ in stream["values"])

        read_until("past")
        sent = time.time_ns() - 1_200_000_000  # so that the delete's range, in whole seconds, is over
        server.push_ok([({"app": "w"}, [(sent, "bad held back"), (sent + 1, "good held back")])])
        delete(server, '{app="w"} |= "bad"', now // NS - 60, sent // NS + 1)
        server.push_ok([({"app": "w"}, [(sent + 2 * NS, "bad after the delete's range")])])
        read_until("bad after the delete's range")
        equal(shown, ["past", "good held back", "bad after the delete's range"], "what the tail shows")
        check(time.time_ns() - sent > 4 * NS, "the lines were held back")
        tail.close()


def rules_do_not_see_them(directory):
    rule = ("name: g\ninterval: 1s\nrules:\n- alert: Bad\n  expr: sum(count_over_time({app=\"r\"} |= \"bad\" [1h])) > 0\n")
    now = time.time_ns()
    with running(Server(directory)) as server:
        server.push_ok([({"app": "r"}, [(now - 50 * NS, "bad"), (now - 49 * NS, "good")])])
        equal(server.request("POST", "/loki/api/v1/rules/s", body=rule.encode()).status, 202, "the rule")

        def firing():
            return [a["state"] for a in server.get("/prometheus/api/v1/alerts").json()["data"]["alerts"]]

        wait_until("it fires", lambda: firing() == ["firing"])
        request = delete(server, '{app="r"} |= "bad"', now // NS - 60, now // NS - 1)
        wait_until("it sees nothing any more", lambda: firing() == [])
        equal(server.request("DELETE", PATH, {"request_id": request}).status, 204, "cancel")
        wait_until("it fires again", lambda: firing() == ["firing"])


def while_asked(directory):
    """Questions that run while requests come and go see a state with the delete or one without."""
    with running(Server(directory)) as server:
        fill(server)
        stop, wrong = threading.Event(), []

        def ask():
            while not stop.is_set():
                got = server.count('{app="a"}')
                if got not in (100, 90):
                    wrong.append(got)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            request = delete(server, '{app="a"} |= "error"')
            equal(server.count('{app="a"}'), 90, "at once")
            equal(server.request("DELETE", PATH, {"request_id": request}).status, 204, "cancel")
            equal(server.count('{app="a"}'), 100, "at once")
        stop.set()
        for thread in threads:
            thread.join()
        check(not wrong, f"counts that never were: {wrong}")


if __name__ == "__main__":
    main(life, refusals, tails, tails_that_wait, rules_do_not_see_them, while_asked)
