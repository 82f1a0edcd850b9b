"""Says where the embedded services of a checkout live and which URLs reach them; starts and creates nothing."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from .environment import BASE_DIR

DATABASE = "carillon"
SUPERUSER = "postgres"
# The system refuses longer socket paths (108 bytes on Linux, 104 on macOS); ".s.PGSQL.5432.lock" is the longest name.
LONGEST_SOCKET_DIR = 104 - len("/.s.PGSQL.5432.lock") - 1


@dataclass(frozen=True)
class Account:
    """The user that PostgreSQL runs as: ourselves, except that root, whom it refuses, lends it `nobody`."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether this is somebody else than the user of this process."""
        return self.uid != os.geteuid()

    def reaches(self, path: Path) -> bool:
        """Whether this user may walk down to `path` (as far as it exists), judged by the folders' modes alone."""
        if not self.is_other:
            return True
        return all(self._enters(folder) for folder in (path, *path.parents) if folder.is_dir())

    def _enters(self, folder: Path) -> bool:
        status = folder.stat()
        return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXOTH))


def postgres_account() -> Account:
    """Return the user that PostgreSQL is to run as."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class Home:
    """The folders of one checkout's services. Equal roots give equal folders and URLs in every process."""

    root: Path

    @classmethod
    def of(cls, root: Path | None = None) -> Home:
        """Return the home at `root`, else at `CARILLON_SERVICES_DIR`, else at `.services` of this checkout."""
        chosen = root or Path(os.environ.get("CARILLON_SERVICES_DIR") or BASE_DIR / ".services")
        return cls(chosen.resolve())

    @cached_property
    def account(self) -> Account:
        """The user that PostgreSQL runs as."""
        return postgres_account()

    @property
    def postgres(self) -> Path:
        """The folder that PostgreSQL owns. Under a root's closed home it moves to where `nobody` can reach it."""
        if self.account.reaches(self.root.parent):
            return self.root / "postgres"
        return Path("/var/tmp") / self._name  # noqa: S108 - survives a restart; made 0700 and its owner verified

    @property
    def sockets(self) -> Path:
        """The folder of both sockets: inside the root, unless its path is too long or closed to PostgreSQL."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIR and self.account.reaches(self.root.parent):
            return inside
        return Path("/tmp") / self._name  # noqa: S108 - made 0700 and its owner verified

    @property
    def valkey_socket(self) -> Path:
        """Where Valkey listens."""
        return self.sockets / "valkey.sock"

    @property
    def database_url(self) -> str:
        """The `DATABASE_URL` of this home."""
        return f"postgresql://{SUPERUSER}@{quote(str(self.sockets), safe='')}/{DATABASE}"

    @property
    def redis_url(self) -> str:
        """The `REDIS_URL` of this home."""
        return f"unix://{quote(str(self.valkey_socket))}?db=0"

    @property
    def _name(self) -> str:
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return f"carillon-{os.geteuid()}-{digest}"


def make_private(folder: Path, account: Account, mode: int = 0o700) -> None:
    """Make `folder` this account's own, or raise if somebody else had it first (a trap in a shared /tmp).

    Raises:
        PermissionError: the folder exists and belongs to another user.
    """
    for parent in reversed([parent for parent in folder.parents if not parent.exists()]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o711)  # whatever the umask, the account must pass through
    try:
        folder.mkdir(mode)
    except FileExistsError:
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid:
            return
        raise PermissionError(
            f"{folder} belongs to user {status.st_uid}, not {account.uid}: "
            "remove it, or set CARILLON_SERVICES_DIR to a folder of your own"
        ) from None
    folder.chmod(mode)  # whatever the umask
    if account.is_other:
        os.chown(folder, account.uid, account.gid)
