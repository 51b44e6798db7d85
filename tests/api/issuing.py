"""An identity provider on this machine, and tokens as it signs them, or as nobody should."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assay.api.serving import served

AUDIENCE = "assay"


class Provider:
    """An identity provider on this machine, with keys that can be exchanged."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, Any] = {"one": rsa.generate_private_key(65537, 2048)}
        self.algorithms: dict[str, str] = {}
        self.asked = 0
        self.place = ""
        self.slow: asyncio.Event | None = None
        self.away = False
        self.others: list[Any] = []

    async def about(self, _: Request) -> Response:
        return JSONResponse({"issuer": self.url, "jwks_uri": self.place or f"{self.url}/keys"})

    async def published(self, _: Request) -> Response:
        self.asked += 1
        if self.slow is not None:
            await self.slow.wait()
        if self.away:
            return Response("try later", 503)
        return JSONResponse({"keys": [*self.others, *(self.jwk(id) for id in self.keys)]})

    def jwk(self, id: str) -> dict[str, Any]:
        key = self.keys[id].public_key()
        kinds: dict[type, Any] = {
            rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
            ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
            ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
        }
        (kind,) = [kinds[k] for k in kinds if isinstance(key, k)]
        jwk = {**json.loads(kind.to_jwk(key)), "kid": id, "use": "sig"}
        return {**jwk, "alg": self.algorithms[id]} if id in self.algorithms else jwk

    def token(
        self, key: Any = None, *, kid: str = "one", algorithm: str = "RS256", **claims: Any
    ) -> str:
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-1",
            "iat": now,
            "exp": now + 60,
            "assay_role": "operator",
        }
        said = {k: v for k, v in {**said, **claims}.items() if v is not None}
        return jwt.encode(said, key or self.keys[kid], algorithm, {"kid": kid})

    def confused(self) -> str:
        """Signed with the published key, as if that were a secret that is shared."""
        public = self.keys["one"].public_key()
        pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        head, body = encoded({"alg": "HS256", "kid": "one"}), self.token().split(".")[1]
        signed = hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest()
        return f"{head}.{body}.{base64.urlsafe_b64encode(signed).decode().rstrip('=')}"

    def unsigned(self, algorithm: object = "none") -> str:
        return f"{encoded({'alg': algorithm, 'kid': 'one'})}.{self.token().split('.')[1]}."


@asynccontextmanager
async def providing() -> AsyncIterator[Provider]:
    """One that answers, at its `url`."""
    provider = Provider()
    routes = [
        Route("/.well-known/openid-configuration", provider.about),
        Route("/keys", provider.published),
    ]
    async with served(Starlette(routes=routes), "127.0.0.1:0") as url:
        provider.url = url
        yield provider


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
