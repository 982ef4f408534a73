"""Who asks an API: nobody, one who has a token, or a user with a password, who may have to log in for a token."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from exporter.addresses import without_secrets
from exporter.sources.database import BadUrl
from exporter.sources.mapping import Login


class Access(AuthBase):
    """What is presented with each question to the API at `url`, which no longer names a user.

    A user stands in the URL, as in those of databases, and `secret` is the password; without a user it is a token.
    """

    def __init__(self, url: str, secret: str | None, login: Login | None) -> None:
        parts = _parts(url)
        self.url = _without_user(parts).rstrip("/")
        self.login = None
        self._presented: str | None = None
        self._user = unquote(parts.username or "")
        self._password = secret if secret is not None else unquote(parts.password or "")
        if self._user and not self._password:
            raise BadUrl(f"url: no password for {self._user[:100]!r}, expected it in secret_file")
        if self._user and login is not None:
            self.login = login
        elif self._user:
            told = f"{self._user}:{self._password}"
            self._presented = "Basic " + b64encode(told.encode()).decode()
        elif secret is not None:
            self._presented = secret if " " in secret else f"Bearer {secret}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Present it."""
        if self._presented is not None:
            request.headers["Authorization"] = self._presented
        return request

    @property
    def must_log_in(self) -> bool:
        """Whether a token has to be asked for first."""
        return self.login is not None and self._presented is None

    @property
    def credentials(self) -> dict[str, str]:
        """What a token is asked for with."""
        assert self.login is not None
        return {self.login.user: self._user, self.login.password: self._password}

    def admit(self, token: str) -> None:
        """A token was given."""
        self._presented = f"Bearer {token}"

    def forget(self) -> bool:
        """The API takes the token no longer; whether another can be asked for."""
        if self.login is None or self._presented is None:
            return False
        self._presented = None
        return True


def _parts(url: str) -> SplitResult:
    """Parts of an API's URL. Raises BadUrl, whose message holds no password."""
    shown = f"url: expected one such as https://host:8080/path, got {without_secrets(url)!r}"
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise BadUrl(shown) from error
    if not is_good:
        raise BadUrl(shown)
    return parts


def _without_user(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
