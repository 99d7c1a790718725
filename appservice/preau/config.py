"""Every setting: one TOML file, secrets apart.

The file is the one named by ``--config``, else by the variable ``PREAU_CONFIG``, else ``/etc/preau/preau.toml``.
Secrets stand in the file or, better, each in a file of its own — ``homeserver_as_token``, ``homeserver_hs_token``,
``store_url`` — in the directory ``PREAU_SECRETS``, or in the one that systemd fills (``LoadCredential``).
"""

from __future__ import annotations

import os
import ssl
import tomllib
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from preau.errors import ConfigError
from preau.matrix.calls import Endpoint
from preau.model.choices import SchoolChoices
from preau.model.facts import Cell, Language
from preau.model.ids import AcademyName, ServerName, Uai, UserId, parse_uai
from preau.model.people import Function
from preau.policy.contact import tighten
from preau.sync.brakes import Limits
from preau.sync.context import Academy

DEFAULT_PATH: Final = Path("/etc/preau/preau.toml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AcademySection(_Section):
    """The académie itself. ``school_year`` 2025 means 2025-2026; rosters of another year are refused."""

    name: str
    server_name: str
    school_year: Annotated[int, Field(ge=2000, le=2100)]


class HomeserverSection(_Section):
    """Where Synapse is, the tokens of the two application services, and its processes beside the main one.

    ``workers`` are the names that those processes have in Synapse's configuration: `preau doctor` misses one that is
    silent.
    """

    url: str
    as_token: SecretStr
    hs_token: SecretStr
    bot: str = "preau"
    room_version: Annotated[str, Field(pattern="^1[12]$")] = "12"
    workers: list[str] = []


class StoreSection(_Section):
    """The service's own database: ``sqlite:////var/lib/preau/preau.db`` or ``postgresql://…``."""

    url: SecretStr


class ServiceSection(_Section):
    """Where `preau serve` listens for the homeserver's transactions; with certificate and key (PEM) over TLS only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9800
    tls_certificate: Path | None = None
    tls_private_key: Path | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key belong together")
        return self

    def tls(self) -> ssl.SSLContext | None:
        """What to listen with; None for plain HTTP.

        Raises:
            ConfigError: certificate and key cannot be read, or do not fit.
        """
        if self.tls_certificate is None or self.tls_private_key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_certificate, self.tls_private_key)
        except OSError as error:
            raise ConfigError(
                f"The certificate {self.tls_certificate} cannot be used with {self.tls_private_key}: {error}.",
                advice="The service's user must be able to read both, and the key must be the certificate's.",
            ) from error
        return context


class MetricsSection(_Section):
    """Where `preau serve` shows its figures to Prometheus, on loopback only; nowhere without a ``port``.

    ``results`` is a folder in which commands that run by the clock leave how they ended, to be shown there.
    """

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    results: Path | None = None


class BrakesSection(_Section):
    """Where a plan stops: a group may lose this share, or this many people, whichever is more."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.10
    people: Annotated[int, Field(ge=0)] = 3


class ContactCell(_Section):
    """One cell of the contact table as a school wants it: who writes, who is written to, and when they may."""

    writer: Function
    reader: Function
    when: Cell


def _only_tighter(cells: list[ContactCell]) -> list[ContactCell]:
    """Passes when no cell that protects pupils is loosened, and no pair is given twice."""
    pairs = [(cell.writer, cell.reader) for cell in cells]
    if len(set(pairs)) < len(pairs):
        raise ValueError("a pair of writer and reader is there twice")
    tighten({(cell.writer, cell.reader): cell.when for cell in cells})
    return cells


class ChoicesSection(_Section):
    """What a school may choose; see `preau.model.choices`. Each cell of ``contact`` replaces the default table's."""

    pupil_accounts: bool = False
    pupil_rooms: bool = False
    pupil_media: bool = False
    contact: Annotated[list[ContactCell], AfterValidator(_only_tighter)] = []
    language: Language = Language.FRENCH

    def as_choices(self) -> SchoolChoices:
        """As the rules take them."""
        return SchoolChoices(
            pupil_accounts=self.pupil_accounts,
            pupil_rooms=self.pupil_rooms,
            pupil_media=self.pupil_media,
            contact={(cell.writer, cell.reader): cell.when for cell in self.contact},
            language=self.language,
        )


class FederationSection(_Section):
    """The académies that this one federates with: their homeservers, as Synapse's own list has them.

    ``bots`` names the bot of a peer whose service calls it otherwise than ours.
    """

    peers: list[Annotated[str, Field(pattern="^[^@:!#/]+(:[0-9]+)?$")]] = []
    bots: dict[str, str] = {}


class Settings(_Section):
    """The whole file."""

    academy: AcademySection
    homeserver: HomeserverSection
    store: StoreSection
    service: ServiceSection = ServiceSection()
    metrics: MetricsSection = MetricsSection()
    brakes: BrakesSection = BrakesSection()
    federation: FederationSection = FederationSection()
    school_defaults: ChoicesSection = ChoicesSection()
    schools: dict[Annotated[str, AfterValidator(parse_uai)], ChoicesSection] = {}

    def as_academy(self) -> Academy:
        """The part that rules and plans need."""
        return Academy(
            name=AcademyName(self.academy.name),
            server=ServerName(self.academy.server_name),
            bot=self.bot,
            room_version=self.homeserver.room_version,
            school_year=self.academy.school_year,
            choices={Uai(uai): choices.as_choices() for uai, choices in self.schools.items()},
            peers={ServerName(peer): self._bot_of(peer) for peer in self.federation.peers},
            default_choices=self.school_defaults.as_choices(),
        )

    def as_endpoint(self) -> Endpoint:
        """Where the homeserver is and as whom we speak."""
        token = self.homeserver.as_token.get_secret_value()
        return Endpoint(self.homeserver.url, token, self.bot, ServerName(self.academy.server_name))

    def as_limits(self) -> Limits:
        """Where the brakes hold."""
        return Limits(share=self.brakes.share, people=self.brakes.people)

    def _bot_of(self, peer: str) -> UserId:
        return UserId(f"@{self.federation.bots.get(peer, self.homeserver.bot)}:{peer}")

    @property
    def bot(self) -> UserId:
        """The service's own user."""
        return UserId(f"@{self.homeserver.bot}:{self.academy.server_name}")


def path_in_force(given: Path | None) -> Path:
    """The configuration file: the one given, else ``PREAU_CONFIG``, else the system's."""
    return given or Path(os.environ.get("PREAU_CONFIG", DEFAULT_PATH))


def load(path: Path, secrets: Path | None = None) -> Settings:
    """Reads and checks the settings.

    Args:
        path: the TOML file.
        secrets: a directory with one file per secret; None for ``PREAU_SECRETS``, if set.

    Raises:
        ConfigError: the file is missing, no TOML, or a setting is wrong; the message names each setting.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        advice = "Name it with --config FILE or PREAU_CONFIG; `make demo` writes one for you to look at."
        raise ConfigError(f"There is no configuration file {path}.", advice=advice) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error}.") from None
    _add_secrets(raw, secrets or _secrets_in_force())
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        wrong = "\n".join(
            f"  {'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()
        )
        raise ConfigError(f"The configuration file {path} is wrong:\n{wrong}") from None


_SECRETS: Final = {
    "homeserver_as_token": ("homeserver", "as_token"),
    "homeserver_hs_token": ("homeserver", "hs_token"),
    "store_url": ("store", "url"),
}


def _secrets_in_force() -> Path | None:
    named = os.environ.get("PREAU_SECRETS") or os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(named) if named else None


def _add_secrets(raw: dict[str, object], directory: Path | None) -> None:
    """Puts each secret that has a file of its own into its section."""
    if directory is None:
        return
    for name, (section, key) in _SECRETS.items():
        file = directory / name
        if file.is_file():
            target = raw.setdefault(section, {})
            if isinstance(target, dict):
                target[key] = file.read_text(encoding="utf-8").strip()
