"""A real server behind canaryd: nginx with files, ranges, conditions and compression."""

import gzip
import os
import shutil
import socket
import subprocess
import unittest

from harness import IntegrationCase, base_config, pattern, wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")


class NginxTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.assertTrue(NGINX, "nginx is not installed; run scripts/install-deps.sh")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        os.mkdir(self.folder + "/www")
        for name, data in (("big.bin", pattern(5_000_000)), ("text.txt", b"hello " * 1000)):
            with open(f"{self.folder}/www/{name}", "wb") as file:
                file.write(data)
        user = "user root;" if os.getuid() == 0 else ""
        temp = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.folder + "/nginx.conf", "w", encoding="utf-8") as file:
            file.write(f"""
{user}
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
  {temp}
  access_log off;
  types {{ text/plain txt; }}
  gzip on;
  gzip_min_length 100;
  gzip_types text/plain;
  gzip_proxied any;
  server {{ listen 127.0.0.1:{self.port}; root www; }}
}}
""")
        server = subprocess.Popen(
            [NGINX, "-p", self.folder, "-e", "error.log", "-c", self.folder + "/nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (server.terminate(), server.wait()))
        wait_until(self._accepts, "nginx")
        config = base_config(self.folder, {})
        config["upstreams"] = {"files": {"endpoints": [f"127.0.0.1:{self.port}"]}}
        config["routes"][0]["upstream"] = "files"
        self.daemon.start(config)

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def test_files(self):
        code, out = self.curl(self.daemon.url("/big.bin"))
        self.assertEqual((code, out == pattern(5_000_000)), (0, True))

    def test_many_in_parallel(self):
        urls = [self.daemon.url(f"/big.bin?{n}") for n in range(8)]
        arguments = []
        for n, url in enumerate(urls):
            arguments += ["-o", f"{self.folder}/out{n}", url]
        code, _ = self.curl("-Z", *arguments)
        self.assertEqual(code, 0)
        for n in range(8):
            with open(f"{self.folder}/out{n}", "rb") as file:
                self.assertEqual(file.read() == pattern(5_000_000), True)

    def test_range_and_condition(self):
        client = self.client()
        part = client.get("/big.bin", [("Range", "bytes=1000-1999")])
        self.assertEqual((part.status, part.body), (206, pattern(2000)[1000:]))
        tag = client.get("/text.txt").get("etag")
        again = client.get("/text.txt", [("If-None-Match", tag)])
        self.assertEqual((again.status, again.body), (304, b""))
        self.assertEqual(client.get("/missing").status, 404)

    def test_compression_is_passed_through(self):
        response = self.client().get("/text.txt", [("Accept-Encoding", "gzip")])
        self.assertEqual(response.get("content-encoding"), "gzip")
        self.assertEqual(gzip.decompress(response.body), b"hello " * 1000)

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_load_without_an_error(self):
        done = subprocess.run(
            ["wrk", "-t1", "-c32", "-d3s", self.daemon.url("/text.txt")],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)


if __name__ == "__main__":
    unittest.main()
