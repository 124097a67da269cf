"""A small object store: just what the tests of `redan backup` need of S3's protocol. It checks every signature."""
import hashlib
import hmac
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_ID, SECRET = "the-key-id", "the/secret+key"


def expected(method, path, query, headers, digest, scope, names):
    """The signature that the request should carry."""
    def mac(key, text):
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    canonical = "\n".join([method, path, query, lines, names, digest])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for word in scope.split("/"):
        key = mac(key, word)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        found = re.match(r"AWS4-HMAC-SHA256 Credential=(.*?)/(.*), SignedHeaders=(.*), Signature=(.*)",
                         self.headers.get("authorization", ""))
        digest = hashlib.sha256(body).hexdigest()
        if not found or found[1] != KEY_ID or self.headers["x-amz-content-sha256"] != digest or found[4] != expected(
                self.command, path, query, self.headers, digest, found[2], found[3]):
            return self.refuse(403, "SignatureDoesNotMatch")
        store = self.server
        store.requests.append(f"{self.command} {self.path}")
        words = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        path = urllib.parse.unquote(path)
        if store.failures:
            store.failures -= 1
            return self.refuse(503, "SlowDown")
        if self.command == "GET" and "list-type" in words:
            names = [name for name in store.files if name.startswith(path + "/" + words["prefix"])]
            return self.answer(200, "".join(f"<Key>{name}</Key>" for name in names).encode())
        if self.command == "GET":
            return self.answer(200, store.files[path]) if path in store.files else self.refuse(404, "NoSuchKey")
        if self.command == "POST" and "uploads" in words:
            store.uploads[str(len(store.uploads))] = {}
            return self.answer(200, f"<UploadId>{len(store.uploads) - 1}</UploadId>".encode())
        if self.command == "PUT" and "uploadId" in words:
            store.uploads[words["uploadId"]][int(words["partNumber"])] = body
            return self.answer(200, ETag=f'"{digest}"')
        if self.command == "POST":
            parts = store.uploads.pop(words["uploadId"])
            tags = [f'"{hashlib.sha256(parts[number]).hexdigest()}"' for number in sorted(parts)]
            assert re.findall(r"<ETag>(.*?)</ETag>", body.decode()) == tags
            store.files[path] = b"".join(parts[number] for number in sorted(parts))
            return self.answer(200)
        if self.command == "DELETE":
            store.uploads.pop(words["uploadId"])
            return self.answer(204)
        store.files[path] = body
        return self.answer(200)

    do_GET = do_PUT = do_POST = do_DELETE = handle_one


class ObjectStore(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.uploads, self.requests, self.failures = {}, {}, [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "here-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_port}"}

    def end(self):
        self.shutdown()
        self.server_close()
