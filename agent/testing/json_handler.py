"""What the doubles of this folder have in common: answers in JSON over HTTP/1.1, and a state that stands in a file."""
import http.server
import json
import time


class JsonHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "somebody"  # a Unix socket's peer has none

    def log_message(self, *args):
        pass

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # who asked has gone meanwhile


def read_state(path):
    while True:
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except ValueError:
            time.sleep(0.005)  # being written
