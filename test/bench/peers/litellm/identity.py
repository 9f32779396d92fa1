"""Whose request it is: every x-user has limits of its own, far away as in the bench's policy."""

from fastapi import Request
from litellm.proxy._types import UserAPIKeyAuth

TOKENS_PER_MINUTE = 4_000_000_000
REQUESTS_PER_MINUTE = 1_000_000_000


async def identify(request: Request, api_key: str) -> UserAPIKeyAuth:
    user = request.headers.get("x-user", "")
    return UserAPIKeyAuth(
        api_key=user,
        user_id=user,
        tpm_limit=TOKENS_PER_MINUTE,
        rpm_limit=REQUESTS_PER_MINUTE,
    )
