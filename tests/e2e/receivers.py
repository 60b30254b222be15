#!/usr/bin/python3
"""What comes to the agent by the network or standard input and no file has: syslog, pushes, OpenTelemetry's logs. It is kept on the agent's disk before it
is acknowledged, and reaches the server once, whatever is killed in between."""
import gzip
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import struct
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import BIN_DIR, NS, Agent, Failure, Process, Server, certificate, check, equal, free_port, json_push, main, proto_field, proto_push, seed  # noqa: E402
from harness import snappy_literals, varint, wait_until  # noqa: E402

RELABEL = """\
    relabel_configs:
      - {source_labels: [__syslog_message_hostname], target_label: host}
      - {source_labels: [__syslog_message_app_name], target_label: app}
      - {source_labels: [__syslog_message_severity], target_label: severity}
      - {source_labels: [__syslog_message_facility], target_label: facility}
      - {source_labels: [__syslog_message_sd_meta_1_user], target_label: user}
      - {source_labels: [__syslog_connection_ip_address], target_label: ip}
"""


def skipped(why):
    print(f"skipped: {why}", flush=True)


def agent_with(directory, server, scrape_configs, name="agent", flags=()):
    return Agent(directory, f"server:\n  address: 127.0.0.1:{server.grpc_port}\nscrape_configs:\n{scrape_configs}", name=name, flags=flags)


def syslog_job(port, protocol="tcp", more="", relabel=RELABEL, name="syslog"):
    return f"""\
  - job_name: {name}
    syslog:
      listen_address: 127.0.0.1:{port}
      listen_protocol: {protocol}
      label_structured_data: true
      labels: {{job: {name}}}
{more}{relabel}"""


def streams_of(server, query):
    begin, end = time.time_ns() - 3600 * NS, time.time_ns() + 3600 * NS
    answer = server.query_range(query, begin, end, limit=5000, direction="forward")
    check(answer.status == 200, f"{query}: {answer.status} {answer.text}")
    return answer.json()["data"]["result"]


def lines_of(server, query):
    """Lines as they are, in the order of their times."""
    values = [value for stream in streams_of(server, query) for value in stream["values"]]
    return [value[1] for value in sorted(values, key=lambda value: int(value[0]))]


def wait_for(server, query, count, timeout=60):
    def enough():
        return len(lines_of(server, query)) >= count

    wait_until(f"{count} lines of {query}", enough, timeout)
    return lines_of(server, query)


def connect(port):
    return wait_until(f"a listener on port {port}", lambda: try_connect(port), 30)


def try_connect(port):
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=30)
    except OSError:
        return None


class World:
    """A server and an agent with these scrape configs; ended whatever happens."""

    def __init__(self, directory, scrape_configs, flags=()):
        self.server = Server(directory)
        self.agent = agent_with(directory, self.server, scrape_configs, flags=flags)

    def __enter__(self):
        self.server.start()
        self.agent.start()
        return self.server, self.agent

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.agent.log_tail(30), self.server.log_tail(10), sep="\n", flush=True)
        self.agent.kill()
        self.server.kill()


def syslog_by_logger(directory):
    if not shutil.which("logger"):
        return skipped("logger (bsdutils) is not here")
    tcp, udp = free_port(), free_port()
    with World(directory, syslog_job(tcp) + syslog_job(udp, "udp", name="udp")) as (server, _):
        connect(tcp).close()

        def log(*arguments):
            subprocess.run(["logger", "--server", "127.0.0.1", *arguments], check=True, timeout=30)

        log("--tcp", "--port", str(tcp), "--priority", "local3.err", "--tag", "shop", "--rfc5424=notq", "--sd-id", "meta@1", "--sd-param",
            'user="anna"', "hello by tcp")
        log("--tcp", "--port", str(tcp), "--octet-count", "--tag", "counted", "a message\nof two lines")
        log("--tcp", "--port", str(tcp), "--rfc3164", "--tag", "old", "--id=77", "hello by 3164")
        log("--udp", "--port", str(udp), "--priority", "auth.warning", "--tag", "datagram", "hello by udp")
        wait_for(server, '{job="syslog"}', 3)
        wait_for(server, '{job="udp"}', 1)
        by_line = {value[1]: stream["stream"] for stream in streams_of(server, '{job=~"syslog|udp"}') for value in stream["values"]}
        shop = by_line["hello by tcp"]
        equal({name: shop.get(name) for name in ("app", "severity", "facility", "user", "ip", "detected_level")},
              {"app": "shop", "severity": "error", "facility": "local3", "user": "anna", "ip": "127.0.0.1", "detected_level": "error"}, "labels")
        check(shop.get("host"), f"no host among {shop}")
        equal(by_line["hello by 3164"].get("app"), "old", "the tag")
        equal(by_line["hello by udp"].get("severity"), "warning", "severity of a datagram")
        check(any("two lines" in line for line in by_line), f"the counted message is not among {list(by_line)}")


def syslog_by_rsyslog(directory):
    if not shutil.which("rsyslogd"):
        return skipped("rsyslogd is not here")
    port = free_port()
    with World(directory, syslog_job(port)) as (server, agent):
        # rsyslog sends a message twice whose first attempt fell on a closed port.
        connect(port).close()
        source = os.path.join(directory, "source.sock")
        config = os.path.join(directory, "rsyslog.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'''\
global(workDirectory="{directory}" localHostname="test-host")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{source}" CreatePath="off" UseSpecialParser="on")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted"
       queue.type="LinkedList" queue.size="100000" action.resumeRetryCount="-1" action.resumeInterval="1")
''')
        rsyslog = Process("rsyslogd", ["rsyslogd", "-n", "-f", config, "-i", os.path.join(directory, "rsyslog.pid")],
                          os.path.join(directory, "rsyslog.log"))
        rsyslog.start()
        try:
            wait_until("rsyslog's socket", lambda: os.path.exists(source), 30)
            sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sender.connect(source)
            for n in range(250):
                sender.send(f"<134>tool[{n}]: number {n}".encode())
            # rsyslog keeps the space behind the tag.
            got = wait_for(server, '{job="syslog", app="tool"}', 250)
            equal(got, [f" number {n}" for n in range(250)], "messages, each once and in order")
            # syslog knows no acknowledgement: what is on the wire when the agent ends may be gone, or be sent again by rsyslog. Then it goes on.
            agent.stop()
            for n in range(250, 500):
                sender.send(f"<134>tool[{n}]: number {n}".encode())
            agent.start()
            wait_until("the last message", lambda: " number 499" in lines_of(server, '{job="syslog", app="tool"}'), 60)
            got = set(lines_of(server, '{job="syslog", app="tool"}'))
            check(len(got) >= 499, f"{500 - len(got)} messages are missing that rsyslog had kept")
        except BaseException:
            print(rsyslog.log_tail())
            raise
        finally:
            rsyslog.kill()


def syslog_over_tls(directory):
    ca = certificate(directory, "ca")
    server_cert = certificate(directory, "server", ca)
    client_cert = certificate(directory, "client", ca)
    stranger = certificate(directory, "stranger")
    plain, both = free_port(), free_port()
    tls = f"      tls_config: {{cert_file: {server_cert[0]}, key_file: {server_cert[1]}"
    jobs = syslog_job(plain, more=tls + "}\n") + syslog_job(both, more=tls + f", ca_file: {ca[0]}}}\n", name="both")
    with World(directory, jobs) as (server, _):
        def send(port, text, cert=None):
            context = ssl.create_default_context(cafile=ca[0])
            if cert:
                context.load_cert_chain(*cert)
            with context.wrap_socket(connect(port), server_hostname="127.0.0.1") as stream:
                stream.sendall(text.encode())
                # Whether a certificate of ours was taken shows with the first answer only.
                stream.settimeout(2)
                try:
                    return stream.recv(1) == b"never"
                except socket.timeout:
                    return True

        send(plain, "<13>1 - h a - - - over tls\n")
        check(send(both, "<13>1 - h a - - - known client\n", client_cert), "a client of the CA is refused")
        for cert in (None, stranger):
            try:
                refused = not send(both, "<13>1 - h a - - - unknown client\n", cert)
            except (ssl.SSLError, OSError):
                refused = True
            check(refused, f"a client without a certificate of the CA is taken: {cert}")
        # A plain sender on the TLS port does no harm.
        with connect(plain) as raw:
            raw.sendall(b"<13>1 - h a - - - not encrypted\n")
        equal(wait_for(server, '{job="syslog"}', 1), ["over tls"], "lines over TLS")
        equal(wait_for(server, '{job="both"}', 1), ["known client"], "lines with a client's certificate")


def syslog_edges(directory):
    port = free_port()
    more = "      idle_timeout: 2s\n      max_message_length: 100\n      use_incoming_timestamp: true\n"
    with World(directory, syslog_job(port, more=more, relabel="")) as (server, _):
        now = time.strftime("%Y-%m-%dT%H:%M:%S.250000Z", time.gmtime())
        with connect(port) as stream:
            stream.sendall(f"<11>1 {now} web-1 nginx 9 ID1 [a@1 b=\"c\"] structured\n".encode())
            stream.sendall(b"no syslog at all\n")
            stream.sendall(b"<11>1 - web-1 nginx - - - " + b"x" * 1000 + b"\n")
            stream.sendall(b"<11>1 - web-1 nginx - - -\n")
            stream.sendall(b"<11>1 - web-1 nginx - - - no newline")
            # The idle connection is closed, and what it had sent is a message.
            stream.settimeout(30)
            began = time.monotonic()
            equal(stream.recv(1), b"", "an idle connection")
            check(time.monotonic() - began > 1, "closed before it was idle")
        lines = wait_for(server, '{job="syslog"}', 4)
        check({"structured", "no syslog at all", "no newline"} <= set(lines), f"{lines}")
        cut = next(line for line in lines if "xxx" in line)
        equal(len(cut), 100 - len("<11>1 - web-1 nginx - - - "), "a cut message")
        stream = next(s["stream"] for s in streams_of(server, '{job="syslog", host="web-1", app="nginx"} |= "structured"'))
        equal({name: stream.get(name) for name in ("proc_id", "msg_id", "facility", "sd_a_1_b", "detected_level")},
              {"proc_id": "9", "msg_id": "ID1", "facility": "user", "sd_a_1_b": "c", "detected_level": "error"}, "structured metadata")
        begin, end = time.time_ns() - 3600 * NS, time.time_ns() + 3600 * NS
        stamps = [ns for ns, line in server.lines('{job="syslog"}', begin, end) if line == "structured"]
        equal([ns % NS for ns in stamps], [250_000_000], "the sender's time")


def push_job(port, more=""):
    return f"""\
  - job_name: pushes
    loki_push_api:
      server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}
      labels: {{via: agent}}
{more}    relabel_configs:
      - {{source_labels: [env], regex: secret, action: drop}}
    pipeline_stages:
      - regex: {{expression: 'level=(?P<lvl>\\w+)'}}
      - labels: {{lvl: }}
"""


def post(port, path, body, content_type="application/json", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type, **(headers or {})})
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())
    finally:
        connection.close()


def pushes_in_each_form(directory):
    port = free_port()
    with World(directory, push_job(port, "      use_incoming_timestamp: true\n")) as (server, _):
        connect(port).close()
        now = time.time_ns()
        streams = [({"job": "p", "n": "1"}, [(now, "one level=warn", {"trace": "t1"}), (now + 1, "two")]), ({"job": "p", "env": "secret"}, [(now, "no")])]
        equal(post(port, "/loki/api/v1/push", json_push(streams))[0], 204, "JSON")
        more = [({"job": "p", "n": "2"}, [(now + 2, "three level=info")])]
        equal(post(port, "/loki/api/v1/push", snappy_literals(proto_push(more)), "application/x-protobuf")[0], 204, "protobuf")
        equal(post(port, "/promtail/api/v1/raw", b"four\nfive\n", "text/plain")[0], 204, "text")
        for path, body, kind, want in (("/loki/api/v1/push", b"{", "application/json", 400), ("/loki/api/v1/push", b"xx", "application/x-protobuf", 400),
                                       ("/nothing", b"", "text/plain", 404)):
            equal(post(port, path, body, kind)[0], want, f"{path} with {body!r}")
        lines = wait_for(server, '{via="agent"}', 5)
        equal(sorted(lines), sorted(["one level=warn", "two", "three level=info", "four", "five"]), "lines")
        equal(lines_of(server, '{lvl="warn", n="1"} | trace="t1"'), ["one level=warn"], "stages and metadata")
        stamps = sorted(ns for ns, _ in server.lines('{job="p"}', now - NS, now + NS))
        equal(stamps, [now, now + 1, now + 2], "times")


def otlp_job(port, grpc_port, more=""):
    return f"""\
  - job_name: otel
    otlp:
      http: {{endpoint: 127.0.0.1:{port}}}
      grpc: {{endpoint: 127.0.0.1:{grpc_port}}}
      labels: {{via: agent}}
{more}"""


def otlp_json(records, resource):
    """An ExportLogsServiceRequest in JSON. A record is (ns, line, severity number, attributes)."""
    def attributes(of):
        return [{"key": key, "value": value if isinstance(value, dict) else {"stringValue": value}} for key, value in of.items()]
    return json.dumps({"resourceLogs": [{"resource": {"attributes": attributes(resource)}, "scopeLogs": [{
        "scope": {"name": "by.hand", "version": "7"},
        "logRecords": [{"timeUnixNano": str(ns), "severityNumber": severity, "body": {"stringValue": line}, "attributes": attributes(of),
                        "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708"} for ns, line, severity, of in records]}]}]}).encode()


def otlp_proto(records, resource):
    """The same in protobuf."""
    def attributes(number, of):
        def value(one):
            if isinstance(one, dict):
                return b"\x18" + varint(int(one["intValue"]))
            return proto_field(1, one.encode())
        return b"".join(proto_field(number, proto_field(1, key.encode()) + proto_field(2, value(one))) for key, one in of.items())
    logs = b"".join(proto_field(2, b"\x09" + struct.pack("<Q", ns) + b"\x10" + varint(severity) + proto_field(5, proto_field(1, line.encode()))
                                + attributes(6, of) + proto_field(9, bytes(range(1, 17))) + proto_field(10, bytes(range(1, 9))))
                    for ns, line, severity, of in records)
    scope = proto_field(1, proto_field(1, b"by.hand") + proto_field(2, b"7"))
    return proto_field(1, proto_field(1, attributes(1, resource)) + proto_field(2, scope + logs))


def otlp_in_each_form(directory):
    """What the agent makes of OpenTelemetry's logs is what the server makes of them at its own door."""
    port, grpc_port = free_port(), free_port()
    with World(directory, otlp_job(port, grpc_port)) as (server, _):
        connect(port).close()
        connect(grpc_port).close()
        now = time.time_ns()
        records = [(now, "paid", 9, {"http.status": {"intValue": "200"}, "user": "u7"}), (now + 1, "no luck today", 17, {}),
                   (now + 2, "level=debug by its text", 13, {"custom-name": "x"})]
        want = {}
        for kind, make in (("application/json", otlp_json), ("application/x-protobuf", otlp_proto)):
            for coding in (None, "gzip"):
                headers = {"Content-Encoding": coding} if coding else {}

                def body_for(service, make=make, coding=coding):
                    plain = make(records, {"service.name": service, "k8s.pod.name": "shop-1", "host.name": "h1"})
                    return gzip.compress(plain) if coding else plain

                name = f"{make.__name__}-{coding}"
                direct = server.request("POST", "/otlp/v1/logs", body=body_for(f"direct-{name}"), headers={"Content-Type": kind, **headers})
                equal(direct.status // 100, 2, f"the server takes {name}: {direct.text}")
                equal(post(port, "/v1/logs", body_for(f"agent-{name}"), kind, headers)[0], 200, f"the agent takes {name}")
                want[name] = 3
        # Without a service there is a name made up, as at the server's door.
        equal(post(port, "/v1/logs", otlp_json([(now, "nameless", 0, {})], {}), "application/json; charset=utf-8")[0], 200, "JSON with a charset")
        wait_for(server, '{service_name="unknown_service", via="agent"}', 1)
        for name, count in want.items():
            wait_for(server, f'{{service_name="agent-{name}"}}', count)
            found = []
            for way in ("direct", "agent"):
                streams = {}
                for stream in streams_of(server, f'{{service_name="{way}-{name}"}}'):
                    labels = {key: value for key, value in stream["stream"].items() if key not in ("service_name", "via")}
                    streams.update({(value[0], value[1]): labels for value in stream["values"]})
                found.append(streams)
            equal(len(found[0]), count, f"lines of {name}")
            equal(found[1], found[0], f"{name} by the agent, and at the server's door")
        levels = {line: labels["detected_level"] for (_, line), labels in found[1].items()}
        equal(levels, {"paid": "info", "no luck today": "error", "level=debug by its text": "warn"}, "levels by severity numbers")
        for path, body, kind, status in (("/v1/logs", b"{", "application/json", 400), ("/v1/logs", b"\xff", "application/x-protobuf", 400),
                                         ("/v1/logs", b"x", "text/plain", 415), ("/v1/traces", b"{}", "application/json", 404)):
            equal(post(port, path, body, kind)[0], status, f"{path} with {body!r} of {kind}")


def otlp_over_tls(directory):
    ca = certificate(directory, "ca")
    server_cert = certificate(directory, "server", ca)
    client_cert = certificate(directory, "client", ca)
    stranger = certificate(directory, "stranger")
    plain, both = free_port(), free_port()
    tls = f"cert_file: {server_cert[0]}, key_file: {server_cert[1]}"
    jobs = "".join(f"  - job_name: {name}\n    otlp: {{http: {{endpoint: 127.0.0.1:{port}, tls_config: {{{options}}}}}, labels: {{via: {name}}}}}\n"
                   for name, port, options in (("plain", plain, tls), ("both", both, f"{tls}, ca_file: {ca[0]}")))
    with World(directory, jobs) as (server, _):
        def send(port, text, cert=None):
            context = ssl.create_default_context(cafile=ca[0])
            if cert:
                context.load_cert_chain(*cert)
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
            connection.request("POST", "/v1/logs", otlp_json([(time.time_ns(), text, 9, {})], {"service.name": "shop"}), {"Content-Type": "application/json"})
            return connection.getresponse().status

        connect(plain).close()
        connect(both).close()
        equal(send(plain, "over tls"), 200, "a sender that trusts the CA")
        equal(send(both, "known sender", client_cert), 200, "a sender with a certificate of the CA")
        for cert in (None, stranger):
            try:
                status = send(both, "unknown sender", cert)
            except (ssl.SSLError, OSError, http.client.HTTPException):
                status = None
            equal(status, None, f"a sender without a certificate of the CA: {cert}")
        with connect(plain) as raw:
            raw.sendall(b"POST /v1/logs HTTP/1.1\r\n\r\n")
        equal(wait_for(server, '{service_name="shop", via="plain"}', 1), ["over tls"], "lines over TLS")
        equal(wait_for(server, '{service_name="shop", via="both"}', 1), ["known sender"], "lines with a sender's certificate")


def by_push(port, text):
    return post(port, "/loki/api/v1/push", json_push([({"job": "p"}, [(time.time_ns(), text)])]))


def by_otlp(port, text):
    status, headers = post(port, "/v1/logs", otlp_json([(time.time_ns(), text, 9, {})], {"service.name": "p"}))
    return (204 if status == 200 else status), headers


def push_until(port, text, deadline, send=by_push):
    """Until it is acknowledged, as senders do."""
    while True:
        try:
            status, headers = send(port, text)
            if status == 204:
                return
            check(status == 503 and "Retry-After" in headers, f"answer {status} {headers}")
        except (OSError, http.client.HTTPException):
            pass
        check(time.monotonic() < deadline, f"{text} was never taken")
        time.sleep(0.05)


def acknowledged_pushes_survive(directory):
    port = free_port()
    survive(directory, port, push_job(port), by_push)


def acknowledged_otlp_survives(directory):
    port = free_port()
    survive(directory, port, otlp_job(port, free_port()), by_otlp)


def survive(directory, port, job, send):
    """kill -9 of the agent and of the server: what was acknowledged is there, and once where it was sent once."""
    random_ = random.Random(seed())
    with World(directory, job) as (server, agent):
        connect(port).close()
        unsure = set()
        for n in range(300):
            text = f"push {n}"
            try:
                status, _ = send(port, text)
                check(status in (204, 503), f"{text}: {status}")
                if status == 503:
                    push_until(port, text, time.monotonic() + 60, send)
            except (OSError, http.client.HTTPException):
                unsure.add(text)
                push_until(port, text, time.monotonic() + 60, send)
            dice = random_.random()
            if dice < 0.02:
                agent.kill()
                agent.start()
            elif dice < 0.03:
                server.kill()
                server.start_unchecked()
        server.wait_ready()
        want = {f"push {n}" for n in range(300)}
        wait_until("all pushes found", lambda: want <= set(lines_of(server, '{via="agent"}')), 60, 0.3)
        got = lines_of(server, '{via="agent"}')
        doubled = {line for line in got if got.count(line) > 1}
        check(doubled <= unsure, f"twice, though sent once: {sorted(doubled - unsure)[:5]}")


def server_away(directory):
    """The spool keeps what comes while the server is away; when it is full, senders are told to wait and nothing is lost."""
    port = free_port()
    flags = ("--spool-max-bytes=256KiB",)
    with World(directory, push_job(port), flags) as (server, agent):
        connect(port).close()
        push_until(port, "first", time.monotonic() + 60)
        wait_for(server, '{via="agent"}', 1)
        server.kill()
        taken = []
        while True:
            text = f"{len(taken)} " + "x" * 8000
            status, headers = post(port, "/loki/api/v1/push", json_push([({"job": "p"}, [(time.time_ns(), text)])]))
            if status == 503:
                check("Retry-After" in headers, f"{headers}")
                break
            equal(status, 204, "a push with the server away")
            taken.append(text)
            check(len(taken) < 100, "the spool does not get full")
        check(len(taken) > 10, f"full after {len(taken)}")
        agent.kill()
        agent.start()
        server.start()
        wait_for(server, '{via="agent"}', len(taken) + 1)
        got = lines_of(server, '{via="agent"}')
        equal(sorted(got), sorted(["first", *taken]), "what was acknowledged")
        push_until(port, "room again", time.monotonic() + 60)
        wait_for(server, '{via="agent"}', len(taken) + 2)


def books_of(agent):
    """What the agent counts, by name, over all labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/metrics", timeout=30) as answer:
        books = {}
        for line in answer.read().decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                books[name] = float(value)
                books[name.partition("{")[0]] = books.get(name.partition("{")[0], 0) + (float(value) if "{" in name else 0)
        return books


def check_books(books):
    """Nothing is anywhere that is not counted there: what came, what is in the spool, what was read from it, what became of that."""
    of = lambda name: books.get(name, 0)  # noqa: E731
    for what, taken in (("lines", "agent_spool_lines_total"), ("bytes", "agent_spool_line_bytes_total")):
        equal(of(f"agent_receiver_{what}_total"), of(taken) + of(f"agent_receiver_dropped_{what}_total") + of(f"agent_spool_full_{what}_total"),
              f"{what} that came, and those taken, dropped or thrown away")
        refused = of("agent_refused_lines_total" if what == "lines" else 'agent_lost_bytes_total{reason="server_rejected"}')
        equal(of(f"agent_read_{what}_total"), of(f"agent_acked_{what}_total") + of(f"agent_in_flight_{what}") + of(f"logentry_dropped_{what}_total")
              + refused, f"{what} read, and those acknowledged, in flight, dropped or refused")
    equal(of("agent_read_lines_total"), of("agent_spool_read_lines_total"), "lines read, and those read from the spool")


def every_line_is_accounted_for(directory):
    """received = spooled + dropped + thrown away, and read = acknowledged + in flight + dropped + refused, for every receiver."""
    push, otlp, grpc, tcp, udp = (free_port() for _ in range(5))
    stages = "    pipeline_stages:\n      - drop: {expression: dropped}\n"
    jobs = push_job(push) + "      - drop: {expression: dropped}\n" + otlp_job(otlp, grpc, stages) + syslog_job(tcp) + syslog_job(udp, "udp", name="udp")
    server = Server(directory, config="limits_config: {max_line_size: 100}\n")
    agent = agent_with(directory, server, jobs, flags=("--spool-max-bytes=256KiB",))
    try:
        server.start()
        agent.start()
        for port in (push, otlp, tcp):
            connect(port).close()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send_some(n):
            for text in (f"kept {n}", f"dropped {n}", f"too long {n} " + "x" * 200):
                equal(by_push(push, text)[0], 204, "a push")
                equal(by_otlp(otlp, text)[0], 204, "an OTLP request")
            equal(post(push, "/loki/api/v1/push", json_push([({"env": "secret"}, [(time.time_ns(), "by relabelling")])]))[0], 204, "a secret")
            with connect(tcp) as stream:
                stream.sendall(f"<13>1 - h a - - - tcp {n}\n<13>1 - h a - - - \nno syslog\n".encode())
            datagrams.sendto(f"<13>1 - h a - - - udp {n}".encode(), ("127.0.0.1", udp))

        def settled(lines):
            books = books_of(agent)
            return books if books.get("agent_receiver_lines_total") == lines and books.get("agent_in_flight_lines") == 0 \
                and books.get("agent_spool_read_lines_total") == books.get("agent_spool_lines_total") else None

        for n in range(5):
            send_some(n)
        # Of each round 6 + 1 + 3 + 1 lines.
        books = wait_until("all is delivered", lambda: settled(55), 60)
        check_books(books)
        for source, lines in (("loki_push_api/pushes", 20), ("otlp/otel", 15), ("syslog/syslog", 15), ("syslog/udp", 5)):
            equal(books.get(f'agent_receiver_lines_total{{source="{source}"}}'), lines, f"lines of {source}")
        equal([books.get(name) for name in ('agent_receiver_dropped_lines_total{reason="relabel_configs"}',
                                            'agent_receiver_dropped_lines_total{reason="empty_message"}', "logentry_dropped_lines_total",
                                            "agent_refused_lines_total", "agent_acked_lines_total")], [5, 5, 10, 10, 25], "what became of them")
        # The server goes away: what comes is in flight or in the spool, until that is full.
        server.kill()
        taken = 0
        while by_push(push, f"{taken} " + "y" * 80)[0] == 204:
            taken += 1
            check(taken < 20000, "the spool does not get full")
        books = wait_until("the last one is counted", lambda: (b := books_of(agent))["agent_receiver_lines_total"] == 55 + taken and b, 30)
        check_books(books)
        check(books["agent_in_flight_lines"] + books["agent_spool_lines_total"] - books["agent_spool_read_lines_total"] == taken,
              f"{taken} lines wait, and {books}")
        server.start()
        check_books(wait_until("all is delivered", lambda: settled(55 + taken), 60))
        equal(server.count('{via="agent"} |= "yyy"', at=time.time_ns() + 60 * NS), taken, "lines of the outage")
    except BaseException:
        print(agent.log_tail(30), server.log_tail(10), sep="\n", flush=True)
        raise
    finally:
        agent.kill()
        server.kill()


def datagrams_that_do_not_fit_are_counted(directory):
    """What the kernel throws away of UDP while the agent does not come to read is counted to the last datagram."""
    port = free_port()
    with World(directory, syslog_job(port, "udp", relabel="")) as (server, agent):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def counted():
            books = books_of(agent)
            return books.get("agent_receiver_lines_total", 0), books.get('agent_receiver_dropped_lines_total{reason="udp_overflow"}', 0)

        # It listens to datagrams before its page answers.
        connect(agent.port).close()
        sender.sendto(b"<13>1 - h a - - - first", ("127.0.0.1", port))
        wait_until("the first datagram", lambda: counted()[0] == 1, 30)
        before = counted()
        agent.signal(signal.SIGSTOP)
        sent = 20000
        for n in range(sent):
            sender.sendto(f"<13>1 - h a - - - {n} ".encode() + b"x" * 1000, ("127.0.0.1", port))
        agent.signal(signal.SIGCONT)

        def settled():
            if counted()[0] - before[0] == sent + settled.more:
                return True
            # The kernel tells of its drops with the next datagram.
            sender.sendto(b"<13>1 - h a - - - and now", ("127.0.0.1", port))
            settled.more += 1
            return False

        settled.more = 0
        wait_until(f"{sent} datagrams are counted", settled, 60, 0.3)
        received, dropped = counted()
        check(dropped > 0, "all of them did fit")
        wait_until("lines of those that were read", lambda: server.count('{job="syslog"}', at=time.time_ns() + 60 * NS) == received - dropped, 60)


def standard_input(directory):
    server = Server(directory)
    server.start()
    config = os.path.join(directory, "stdin.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""\
clients: [{{url: "http://127.0.0.1:{server.port}/loki/api/v1/push"}}]
scrape_configs:
  - job_name: first
    pipeline_stages:
      - regex: {{expression: '^(?P<kind>\\w+) '}}
      - labels: {{kind: }}
    static_configs: [{{labels: {{__path__: {directory}/*.log, job: files}}}}]
""")
    with open(os.path.join(directory, "not.log"), "w", encoding="utf-8") as file:
        file.write("not this\n")
    try:
        program = os.path.join(BIN_DIR, "skald-agent")
        lines = "".join(f"even line {n}\n" if n % 2 == 0 else f"odd line {n}\n" for n in range(20000))
        done = subprocess.run([program, "--stdin", f"--config={config}"], input=lines + "\n\neven without newline", text=True, capture_output=True,
                              timeout=120, check=False)
        equal(done.returncode, 0, f"exit code\n{done.stderr}")
        # What it has said is acknowledged is there at once.
        at = time.time_ns() + 60 * NS
        equal(server.count('{job="stdin", kind="even"}', at=at), 10001, "even lines")
        equal(server.count('{job="stdin", kind="odd"}', at=at), 10000, "odd lines")
        equal(server.count('{job="files"}', at=at), 0, "lines of files")
        # By gRPC, and nothing at all.
        address = f"127.0.0.1:{server.grpc_port}"
        done = subprocess.run([program, "--stdin", "--server", address], input="by grpc\n", text=True, capture_output=True, timeout=60, check=False)
        equal(done.returncode, 0, f"exit code\n{done.stderr}")
        equal(server.count('{job="stdin"} |= "by grpc"', at=at), 1, "lines by gRPC")
        done = subprocess.run([program, "--stdin", "--server", address], input="", text=True, capture_output=True, timeout=60, check=False)
        equal(done.returncode, 0, f"exit code\n{done.stderr}")
        # A server that is away: it waits, and says that it did not deliver when it is told to stop.
        child = subprocess.Popen([program, "--stdin", "--server", f"127.0.0.1:{free_port()}"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        child.stdin.write(b"nowhere to go\n")
        child.stdin.close()
        time.sleep(1)
        check(child.poll() is None, "it ended without a server")
        child.terminate()
        equal(child.wait(30), 1, "exit code of what is not delivered")
    finally:
        server.kill()


if __name__ == "__main__":
    main(syslog_by_logger, syslog_by_rsyslog, syslog_over_tls, syslog_edges, pushes_in_each_form, otlp_in_each_form, otlp_over_tls, acknowledged_pushes_survive,
         acknowledged_otlp_survives, server_away, every_line_is_accounted_for, datagrams_that_do_not_fit_are_counted, standard_input)
