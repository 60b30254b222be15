#!/usr/bin/python3
"""An authorization server of OAuth 2.0, and what its tokens open.

token_double.py STATE: STATE is {"secret": the client's ("id" is its name), "place": "header" or "body", where the secret is looked for, "lasts": seconds,
"valid": the token that is given out and taken}. Listens at 127.0.0.1 and prints the port. POST /token gives the token, POST /push takes it; GET /log has what
/token was asked so far.
"""
import base64
import http.server
import sys
import urllib.parse

from json_handler import JsonHandler, read_state

ASKED = []


class Handler(JsonHandler):
    def do_GET(self):
        self.answer(ASKED)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        now = read_state(sys.argv[1])
        authorization = self.headers.get("Authorization", "")
        if self.path == "/push":
            self.answer({}, 200 if authorization == "Bearer " + now["valid"] else 401)
            return
        form = urllib.parse.parse_qs(body)
        given = "".join(form.get("client_id", []) + [":"] + form.get("client_secret", []))
        if now["place"] == "header":
            given = ":".join(urllib.parse.unquote(one) for one in base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":"))
        if given != "id:" + now["secret"]:
            self.answer({"error": "invalid_client"}, 401)
            return
        ASKED.append(form)
        self.answer({"access_token": now["valid"], "token_type": "bearer", "expires_in": now["lasts"]})


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
SERVER.daemon_threads = True
print(SERVER.server_address[1], flush=True)
SERVER.serve_forever()
