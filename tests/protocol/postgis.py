"""A PostgreSQL server with PostGIS for tests: a cluster of its own in a temporary folder, on a socket.

The programs are those that are installed; where PostGIS is missing, Debian's packages are
unpacked into a folder, which needs no root. PostgreSQL refuses to run as root, so root
hands it to the user nobody.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

NOBODY = 65534


class MissingError(Exception):
    """There is no PostGIS, and none can be had."""


def programs(cache: Path) -> Path:
    """Root of a tree with PostgreSQL and PostGIS: ``/``, or where packages are unpacked to."""
    for root in (Path("/"), cache / "root"):
        if any(root.glob("usr/share/postgresql/*/extension/postgis.control")) and server(root):
            return root
    cache.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.with_name(f"{cache.name}.lock")):  # the processes of one run of the tests share it
        if not (cache / "root").exists():
            unpack(cache)
    return cache / "root"


def server(root: Path) -> Path | None:
    """Folder of initdb and postgres."""
    found = sorted(root.glob("usr/lib/postgresql/*/bin/initdb"))
    return found[-1].parent if found else None


def unpack(cache: Path) -> None:
    """Download Debian's packages and unpack them."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise MissingError("PostGIS is not installed, and this is no Debian to fetch its packages from")
    listed = run("apt-get", "-s", "--no-install-recommends", "install", "postgresql-postgis", cwd="/")
    names = re.findall(r"^Inst (\S+)", listed, re.MULTILINE)
    version = re.search(r"postgresql-(\d+)-postgis", listed)
    if not version:
        raise MissingError("PostGIS is not installed, and the package lists know none (apt-get update)")
    packages = cache / "packages"
    shutil.rmtree(cache, ignore_errors=True)
    packages.mkdir(parents=True)
    run("apt-get", "download", *{*names, f"postgresql-{version[1]}"}, cwd=packages)
    for package in sorted(packages.glob("*.deb")):
        run("dpkg", "-x", str(package), str(cache / "part"), cwd=cache)
    # The link that Debian's installation script makes with update-alternatives.
    for control in (cache / "part").glob("usr/share/postgresql/*/extension/postgis-3.control"):
        control.with_name("postgis.control").symlink_to(control.name)
    (cache / "part").rename(cache / "root")


def run(*command: str, cwd: Path | str) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=120)
    except (subprocess.SubprocessError, OSError) as error:
        raise MissingError(f"PostGIS is not installed, and {command[0]} cannot fetch it") from error
    return done.stdout


@contextmanager
def serving(root: Path, folder: Path) -> Iterator[str]:
    """Start a server; yield the address of its superuser `admin`."""
    binaries = server(root)
    libraries = [str(p) for p in (root / "usr/lib/x86_64-linux-gnu", root / "usr/lib/aarch64-linux-gnu")]
    extra = [str(p) for name in ("blas", "lapack") for p in root.glob(f"usr/lib/*-linux-gnu/{name}")]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    if root != Path("/"):
        environment |= {
            "LD_LIBRARY_PATH": ":".join(libraries + extra),
            "PROJ_DATA": str(root / "usr/share/proj"),
        }
    data = folder / "data"
    as_nobody = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
    if as_nobody:
        os.chown(folder, NOBODY, NOBODY)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [binaries / program, *arguments], cwd=folder, env=environment, text=True, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, **as_nobody,
        )  # fmt: skip
        if done.returncode:
            raise MissingError(f"PostgreSQL's {program} does not run here: {done.stderr.strip()[-200:]}")

    call("initdb", "-D", str(data), "-U", "admin", "--no-sync", "--auth=trust", "-E", "UTF8")
    options = f"-c listen_addresses='' -c fsync=off -k {folder}"
    call("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://admin@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
