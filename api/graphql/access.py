"""API keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated

import strawberry

from ...graphs.errors import InvalidInput
from ...graphs.stored import Principal
from ..access import most
from .asking import Of
from .fields import resolved, value
from .problems import AnyProblem, attempted
from .scalars import Time, time

LONGEST_DAYS = 36_500.0


@strawberry.enum(description="What a key may do; each role may do what those before it may.")
class Role(Enum):
    VIEWER = value("viewer", "Read.")
    OPERATOR = value("operator", "Start, steer and answer.")
    EDITOR = value("editor", "Register and delete.")
    ADMIN = value("admin", "Give keys, and read the audit.")


@strawberry.enum(description="How much steps may touch, from the least to the most.")
class SecurityProfile(Enum):
    RESTRICTED = value("restricted", "The workspace and programs, without a network.")
    STANDARD = value("standard", "Public addresses, and commands, too.")
    TRUSTED = value("trusted", "What the server may.")


@strawberry.type(description="An API key; the key itself is not kept, only a hash of it.")
class ApiKey:
    id: strawberry.ID = strawberry.field(description="It begins the key, and is no secret.")
    name: str = strawberry.field(description="Who or what it is for.")
    role: Role = strawberry.field(description="What it may do.")
    scopes: list[str] = strawberry.field(description="To which workflows; empty: to all.")
    profile: SecurityProfile = strawberry.field(
        description="What no step of what it begins exceeds."
    )
    created_at: Time | None = strawberry.field(description="When it was made.")
    expires_at: Time | None = strawberry.field(description="From when on it is worth nothing.")

    @classmethod
    def of(cls, found: Principal) -> ApiKey:
        return cls(
            id=strawberry.ID(found.id),
            name=found.name,
            role=Role(found.role),
            scopes=list(found.scopes),
            profile=SecurityProfile(most(found)),
            created_at=time(found.created_at),
            expires_at=time(found.expires_at),
        )


@strawberry.type(description="There is a new key.")
class ApiKeyCreated:
    key: ApiKey = strawberry.field(description="What is known of it.")
    secret: str = strawberry.field(description="The key; it is told this one time.")


@strawberry.type(description="Nobody is let in with it any more; open sockets close within 5 s.")
class ApiKeyRevoked:
    id: strawberry.ID = strawberry.field(description="The id of the key that is gone.")


CreateApiKeyResult = Annotated[
    ApiKeyCreated | AnyProblem,
    strawberry.union("CreateApiKeyResult", description="What came of making a key."),
]
RevokeApiKeyResult = Annotated[
    ApiKeyRevoked | AnyProblem,
    strawberry.union("RevokeApiKeyResult", description="What came of revoking a key."),
]


@strawberry.type
class AccessMutations:
    @resolved("Make an API key.")
    async def create_api_key(
        self,
        info: Of,
        name: Annotated[str, strawberry.argument(description="Who or what it is for.")],
        role: Annotated[Role, strawberry.argument(description="What it may do.")],
        scopes: Annotated[
            list[str], strawberry.argument(description="Patterns of names of workflows.")
        ] = (),  # type: ignore[assignment]
        days: Annotated[
            float | None, strawberry.argument(description="For how many days; without, for good.")
        ] = None,
        profile: Annotated[
            SecurityProfile | None,
            strawberry.argument(
                description="What no step of what it begins exceeds, not more than yours; "
                "without, TRUSTED for an admin, else RESTRICTED."
            ),
        ] = None,
    ) -> CreateApiKeyResult:
        async def created() -> ApiKeyCreated:
            if days is not None and not 0 < days <= LONGEST_DAYS:
                raise InvalidInput(f"`days` is more than 0 and at most {LONGEST_DAYS:g}")
            lasts = None if days is None else timedelta(days=days)
            control = info.context.control
            named = "" if profile is None else profile.value
            issued = await control.create_key(name, role.value, scopes, lasts, named)
            return ApiKeyCreated(key=ApiKey.of(issued.principal), secret=issued.secret)

        return await attempted(created())

    @resolved("Revoke an API key. One that is not there changes nothing.")
    async def revoke_api_key(
        self,
        info: Of,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the key.")],
    ) -> RevokeApiKeyResult:
        async def revoked() -> ApiKeyRevoked:
            await info.context.control.revoke_key(id)
            return ApiKeyRevoked(id=id)

        return await attempted(revoked())
