"""The caller's JWT: verified, or refused. The only user of PyJWT.

`Authenticator.authenticate` is the order of verification that docs/integration/trust.md explains, one line a step. What
a caller is told never says which step failed; the log does, without the token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import jwt

from .clients import ALGORITHMS, Client, fits
from .errors import Busy, Unauthorised
from .fhir_elements import Json
from .jwks import KeySets, KeysUnreachable

FirstUse = Callable[[str, str, datetime], bool]
"""Whether a token, by issuer and `jti`, is met for the first time; it is remembered until the given moment."""


class Step(IntEnum):
    """The steps of verification, in their order."""

    HEADER = 1
    TOKEN = 2
    ISSUER = 3
    KEY_PLACE = 4
    KEY_SET = 5
    KEY = 6
    SIGNATURE = 7
    TIME = 8
    AUDIENCE = 9
    REPLAY = 10
    TENANT = 11


class NotAuthenticated(Unauthorised):
    """A call without a token that we trust. `step` and `reason` are for the log; the caller is told neither."""

    def __init__(self, step: Step, reason: str, client: Client | None = None) -> None:
        super().__init__()
        self.step, self.reason, self.client = step, reason, client


class Authenticator:
    """Tells which client calls."""

    def __init__(
        self,
        clients: Iterable[Client],
        *,
        first_use: FirstUse,
        key_sets: KeySets | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`first_use` has to be shared by everything that serves the same URL, or a token could be used twice."""
        self._by_issuer: dict[str, list[Client]] = {}
        for client in clients:
            self._by_issuer.setdefault(client.issuer, []).append(client)
        self._first_use = first_use
        self._key_sets = key_sets or KeySets()
        self._now = now

    def authenticate(self, authorization: str | None, url: str) -> Client:
        """The client that sent this `Authorization` header to this URL (our public one).

        Raises `NotAuthenticated` (401) where any step fails, and `Busy` (503) where the client's keys or the store of
        seen tokens cannot be reached: accepting would be unsafe, and 401 would blame the caller.
        """
        token = _bearer(authorization)
        header, unverified = _opened(token)
        client = self._client(unverified)
        place = _key_place(client, header)
        named = self._named(client, place, header["kid"])
        key = _fitting(client, named, header["alg"])
        claims = _verified(client, token, key, header["alg"])
        expires = self._timely(client, claims)
        _addressed(client, claims, url)
        self._once(client, claims, expires)
        _of_tenant(client, claims)
        return client

    def _client(self, unverified: Json) -> Client:
        issuer = unverified.get("iss")
        candidates = self._by_issuer.get(issuer, []) if isinstance(issuer, str) else []
        if not candidates:
            raise NotAuthenticated(Step.ISSUER, f"no client has the issuer at {_host(issuer)}")
        if len(candidates) == 1:
            return candidates[0]
        for client in candidates:
            if _is_one_of(unverified.get("tenant"), client.tenants):
                return client
        raise NotAuthenticated(Step.ISSUER, f"no client of the issuer at {_host(issuer)} has this tenant")

    def _named(self, client: Client, place: str | None, kid: str) -> Sequence[Json]:
        if place is None:
            return [key for key in client.keys if key.get("kid") == kid]
        try:
            return self._key_sets.named(place, kid)
        except KeysUnreachable:
            raise Busy("The keys of the caller could not be fetched, so the call could not be authenticated.") from None

    def _timely(self, client: Client, claims: Json) -> float:
        """The moment after which the token cannot be used any more."""
        now, leeway = self._now(), client.leeway_seconds
        issued, expires, starts = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
        if not (_is_number(issued) and _is_number(expires) and _is_number(starts)):
            raise NotAuthenticated(Step.TIME, "iat, exp or nbf is missing or not a number", client)
        if expires <= now - leeway:
            raise NotAuthenticated(Step.TIME, "the token has expired", client)
        if issued > now + leeway or starts > now + leeway:
            raise NotAuthenticated(Step.TIME, "the token is from the future", client)
        if expires - issued > client.max_lifetime_seconds:
            raise NotAuthenticated(
                Step.TIME, f"the token lives longer than {client.max_lifetime_seconds} seconds", client
            )
        return float(expires) + leeway

    def _once(self, client: Client, claims: Json, expires: float) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise NotAuthenticated(Step.REPLAY, "jti is missing", client)
        if not self._first_use(client.issuer, jti, datetime.fromtimestamp(expires, UTC)):
            raise NotAuthenticated(Step.REPLAY, "the token was used before", client)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    # Two headers arrive joined by a comma, which no token contains; "null" is what one test client sends without keys.
    if scheme.lower() != "bearer" or token in ("", "null") or set(token) & set(" ,\t"):
        raise NotAuthenticated(Step.HEADER, "there is not exactly one bearer token")
    return token


def _opened(token: str) -> tuple[Json, Json]:
    """Header and claims as they stand, not verified."""
    try:
        opened = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotAuthenticated(Step.TOKEN, "the token cannot be read") from None
    header, claims = opened["header"], opened["payload"]
    if not _is_one_of(header.get("alg"), ALGORITHMS):
        raise NotAuthenticated(Step.TOKEN, "alg is none of those that can be allowed")
    if header.get("typ") != "JWT" or "crit" in header:
        raise NotAuthenticated(Step.TOKEN, "typ is not JWT, or an extension is critical")
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise NotAuthenticated(Step.TOKEN, "kid is missing")
    return header, claims


def _key_place(client: Client, header: Json) -> str | None:
    """Where the keys come from; None for those in the client's file. Nothing is fetched from a place that only the
    token names."""
    named = header.get("jku")
    if named is not None and not _is_one_of(named, {*client.jku, client.jwks_url}):
        raise NotAuthenticated(Step.KEY_PLACE, "jku is not registered for the client", client)
    if client.keys:
        return None
    place = named or client.jwks_url
    if place is None:
        raise NotAuthenticated(Step.KEY_SET, "the token has no jku, and the client no other keys", client)
    return str(place)


def _fitting(client: Client, named: Sequence[Json], algorithm: str) -> Json:
    """The key of that name that the algorithm goes with. What is allowed is bound to the client and to the key, never
    taken from the token."""
    if not named:
        raise NotAuthenticated(Step.KEY, "kid is not among the keys of the client", client)
    for key in named:
        if algorithm in client.algorithms and fits(key, algorithm):
            return key
    raise NotAuthenticated(Step.KEY, "alg is not allowed for the client or does not fit its key", client)


def _verified(client: Client, token: str, key: Json, algorithm: str) -> Json:
    public: Json = {name: key[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in key}
    try:
        claims: Json = jwt.decode(
            token, jwt.PyJWK(public, algorithm=algorithm), algorithms=[algorithm], options=_SIGNATURE_ONLY
        )
    except (jwt.PyJWTError, ValueError):
        raise NotAuthenticated(Step.SIGNATURE, "the signature is wrong", client) from None
    return claims


_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
"""Claims are checked one step later each, against the client's own limits."""


def _addressed(client: Client, claims: Json, url: str) -> None:
    """The audience is the URL that is called, with or without a slash at its end; for feedback also its service."""
    called = url.rstrip("/")
    accepted = {called, called.removesuffix("/feedback")}
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    for each in named:
        if isinstance(each, str) and (each.removesuffix("/") in accepted or each in client.audiences):
            return
    raise NotAuthenticated(Step.AUDIENCE, "aud is not the URL that was called", client)


def _of_tenant(client: Client, claims: Json) -> None:
    if client.tenants and not _is_one_of(claims.get("tenant"), client.tenants):
        raise NotAuthenticated(Step.TENANT, "the tenant is not one of the client's", client)


def _is_one_of(value: object, known: Container[object]) -> bool:
    return isinstance(value, str) and value in known


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _host(issuer: object) -> str:
    """The host of an issuer: enough to find the client that is missing, and nothing that a caller could hide in it."""
    try:
        return urlsplit(issuer).hostname or "no host" if isinstance(issuer, str) else "no host"
    except ValueError:
        return "no host"
