"""Every setting there is: one frozen dataclass, read from SAGEWRIGHT_* and from the command line."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

_FILE_SYSTEM = re.compile(r"fs-[0-9a-f]{8,40}=/[^,]*")
_LONGEST_SOCKET_PATH = 90  # the kernel takes 107 bytes; the name of the socket still has to fit


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sagewright"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `sagewright up` can be told. Each field is also an environment variable: ``port`` is SAGEWRIGHT_PORT."""

    data: Path
    """The data folder; everything Sagewright keeps is below it."""
    host: str = "127.0.0.1"
    """The address to listen on. Anything but a loopback address is your decision to open the server to others."""
    port: int = 8400
    """The one port for all services."""
    auth: str = "strict"
    """strict: every request's SigV4 signature is verified. open: any key is accepted (loopback only)."""
    account: str = "123456789012"
    """The account of the generated key pair."""
    region: str = "us-east-1"
    """The region that `sagewright env` sets; requests may name any."""
    database: str = ""
    """Empty: SQLite in the data folder. postgresql://user:password@host/database for Postgres."""
    s3_url: str = ""
    """An S3 of your own (http://host:port); empty: the embedded SeaweedFS."""
    s3_access_key: str = ""
    """Key for s3_url."""
    s3_secret_key: str = ""
    """Secret for s3_url."""
    runtime: str = "auto"
    """auto, zygote, sandbox or process: how containers run; auto takes the strongest this machine can do."""
    images: Literal["own", "versions"] = "own"
    """own: framework images run in the server's Python environment, whatever version their tags name (an environment of that version that was
    built beforehand is taken). versions: an environment of that version is built when a job first needs it."""
    fronts: int = 1
    """How many front processes share the port."""
    halt_polling: int = 200
    """Microseconds that a front looks for the next packet before it sleeps, when the calls of one client follow one another closely; 0: never."""
    inline: bool = False
    """Front and control on one event loop, for tests and debugging."""
    hold_describe: float = 20.0
    """Seconds the first Describe after a Create may be held until the job ends; 0 turns it off."""
    test_hooks: bool = False
    """Adds POST /_sagewright/reset (loopback only): empties every account."""
    file_systems: str = ""
    """Comma list of file systems (EFS, FSx for Lustre) that jobs may name as data source, each id=directory; id=directory:ro is for reading only."""
    limits: str = "none"
    """none: what the machine can do is the only limit. aws: quotas as in a new account (`sagewright quota`), and no CPU in the place of a GPU."""
    spot_interruptions: str = ""
    """Comma list of seconds: the n-th attempt of a managed spot training job is interrupted after so long; empty: none is."""
    spot_price: float = 0.3
    """What a second of a spot instance counts in BillableTimeInSeconds; 1 is the price on demand."""
    prewarm: str = "xgboost"
    """Comma list of images whose zygote is started with the server, and stays; empty: none."""
    metrics_seconds: float = 15.0
    """Seconds between two measurements of what the containers of a job or an endpoint use; AWS's are a minute apart."""
    scaling_period: int = 60
    """Seconds of a period of the alarms that target tracking makes: 60 as on AWS, or 1, 5, 10, 20, 30 to scale sooner."""
    sns_endpoints: str = "loopback"
    """loopback: topics notify programs on this machine only, over HTTP. any: wherever a subscription says."""
    serverless_idle: float = 300.0
    """Seconds without a call after which a container of a serverless endpoint ends."""
    recommender_seconds: float = 5.0
    """Seconds of load for each configuration that a default job of Inference Recommender tries."""
    zygote_idle: float = 1800.0
    """Seconds after which the zygote of another image ends when no job has used it; 0: never."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
        """From SAGEWRIGHT_*; ``overrides`` (None = not given) win. Raises ValueError with a text for the user."""
        given: dict[str, Any] = {"data": _data_home()}
        for field in fields(cls):
            text = environ.get(f"SAGEWRIGHT_{field.name.upper()}")
            if text is not None:
                given[field.name] = _convert(field.name, str(field.type), text)
        given.update({name: value for name, value in overrides.items() if value is not None})
        given["data"] = Path(given["data"]).expanduser().resolve()
        settings = cls(**given)
        settings.check()
        return settings

    def check(self) -> None:
        """Raises ValueError where settings contradict one another or the security defaults."""
        if self.auth not in ("strict", "open"):
            raise ValueError(f"auth must be strict or open, not {self.auth!r}")
        if self.auth == "open" and not self.loopback:
            raise ValueError(f"--auth open is for loopback addresses only, and {self.host} is none")
        if self.test_hooks and not self.loopback:
            raise ValueError(f"--test-hooks is for loopback addresses only, and {self.host} is none")
        if self.runtime not in ("auto", "zygote", "sandbox", "process", "fake"):
            raise ValueError(f"runtime must be auto, zygote, sandbox or process, not {self.runtime!r}")
        if self.images not in ("own", "versions"):
            raise ValueError(f"images must be own or versions, not {self.images!r}")
        if not (len(self.account) == 12 and self.account.isdigit()):
            raise ValueError(f"account must have 12 digits, not {self.account!r}")
        if not 1 <= self.fronts <= 64:
            raise ValueError(f"fronts must be between 1 and 64, not {self.fronts}")
        if not 0 <= self.halt_polling <= 10_000:
            raise ValueError(f"halt_polling must be between 0 and 10000 microseconds, not {self.halt_polling}")
        if self.limits not in ("none", "aws"):
            raise ValueError(f"limits must be none or aws, not {self.limits!r}")
        if not 0 < self.spot_price <= 1:
            raise ValueError(f"spot_price must be more than 0 and at most 1, not {self.spot_price}")
        interruptions(self.spot_interruptions)
        if not self.hold_describe >= 0:
            raise ValueError(f"hold_describe must be 0 or more seconds, not {self.hold_describe}")
        if not 1 <= self.metrics_seconds <= 3600:
            raise ValueError(f"metrics_seconds must be between 1 and 3600, not {self.metrics_seconds}")
        if self.scaling_period not in (1, 5, 10, 20, 30, 60):
            raise ValueError(f"scaling_period must be 1, 5, 10, 20, 30 or 60 seconds, not {self.scaling_period}")
        if self.sns_endpoints not in ("loopback", "any"):
            raise ValueError(f"sns_endpoints must be loopback or any, not {self.sns_endpoints!r}")
        if not self.serverless_idle > 0:
            raise ValueError(f"serverless_idle must be more than 0 seconds, not {self.serverless_idle}")
        if not 0 < self.recommender_seconds <= 3600:
            raise ValueError(f"recommender_seconds must be more than 0 and at most 3600, not {self.recommender_seconds}")
        if not self.zygote_idle >= 0:
            raise ValueError(f"zygote_idle must be 0 or more seconds, not {self.zygote_idle}")
        if self.s3_url and not self.s3_url.startswith(("http://", "https://")):
            raise ValueError(f"s3_url must begin with http:// or https://, and {self.s3_url!r} does not")
        if any(not _FILE_SYSTEM.fullmatch(entry) for entry in filter(None, self.file_systems.split(","))):
            raise ValueError(
                f"file_systems must be a comma list of fs-…=/directory or fs-…=/directory:ro, not {self.file_systems!r}"
            )
        if self.database.partition(":")[0].partition("+")[0] not in ("", "sqlite", "postgresql"):
            raise ValueError("database must be a sqlite: or postgresql: URL")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be between 0 and 65535, not {self.port}")

    def environment(self) -> dict[str, str]:
        """The same settings as SAGEWRIGHT_* variables, for a process of ours."""
        return {f"SAGEWRIGHT_{field.name.upper()}": _text(getattr(self, field.name)) for field in fields(self)}

    def with_port(self) -> Settings:
        """The same; with a free port chosen where port 0 asks for one."""
        return self if self.port else replace(self, port=free_port(self.host))

    @property
    def registered_file_systems(self) -> dict[str, tuple[Path, bool]]:
        """``file_systems`` by id: the directory, without links, and whether jobs may write there."""
        found = {}
        for entry in filter(None, self.file_systems.split(",")):
            name, _, text = entry.partition("=")
            found[name] = Path(text.removesuffix(":ro")).resolve(), not text.endswith(":ro")
        return found

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the listener."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is set to on this machine."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where this machine reaches the front."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'sagewright.db'}"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials.json"

    @property
    def objects(self) -> Path:
        return self.data / "objects"

    @property
    def jobs(self) -> Path:
        return self.data / "jobs"

    @property
    def environments(self) -> Path:
        """Environments with an interpreter of their own, built from what lies in compute/environments."""
        return self.data / "environments"

    @property
    def registry(self) -> Path:
        """What was pushed to the repositories of ECR."""
        return self.data / "registry"

    @property
    def layers(self) -> Path:
        """Unpacked layers of images of one's own."""
        return self.data / "layers"

    @property
    def tables(self) -> Path:
        """Where the tables lie that dataset definitions of processing jobs may query (features/processing/tables.py)."""
        return self.data / "tables.toml"

    @property
    def run(self) -> Path:
        """Pid files, logs, the route snapshot."""
        return self.data / "run"

    @property
    def routes(self) -> Path:
        return self.run / "routes.json"

    @property
    def captured(self) -> Path:
        """What data capture holds until it is in S3 (signals/exchanges.py)."""
        return self.data / "captured"

    @property
    def sessions(self) -> Path:
        """Which container holds which stateful session (front/sessions.py)."""
        return self.run / "sessions"

    @property
    def sockets(self) -> Path:
        """Where Unix sockets lie: ``run``, or a short private folder when the data folder's path is too long for a socket."""
        if len(str(self.run)) <= _LONGEST_SOCKET_PATH - 30:
            return self.run
        digest = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sagewright-{os.getuid()}-{digest}"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def registry_socket(self) -> Path:
        return self.sockets / "registry.sock"

    @property
    def wake_socket(self) -> Path:
        return self.sockets / "wake.sock"

    def make_folders(self) -> None:
        """Creates the data folder and its parts, readable by nobody else. Raises OSError, PermissionError when the socket folder is not ours."""
        for folder in (self.data, self.run, self.jobs, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
            planted = folder == self.sockets != self.run and folder.is_symlink()  # /tmp is everybody's
            if planted or folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to another user")
            folder.chmod(0o700)


def interruptions(text: str) -> tuple[float, ...]:
    """The seconds of ``spot_interruptions``. Raises ValueError."""
    try:
        found = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"spot_interruptions must be seconds, separated by commas, not {text!r}") from None
    if not all(0 < part < float("inf") for part in found):
        raise ValueError(f"spot_interruptions must be more than 0 seconds each, not {text!r}")
    return found


def free_port(host: str) -> int:
    """A port nobody listens on right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def _convert(name: str, kind: str, text: str) -> Any:
    try:
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]
        return {"int": int, "float": float, "Path": Path}.get(kind, str)(text)
    except (KeyError, ValueError):
        raise ValueError(f"SAGEWRIGHT_{name.upper()}={text!r} is not a {kind}") from None


def _text(value: object) -> str:
    return ("1" if value else "0") if isinstance(value, bool) else str(value)
