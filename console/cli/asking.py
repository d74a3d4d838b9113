"""A run that needs a second person: what the shell says once their word is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.cli.context import base_url, print_json
from console.cli.errors import CommandFailed


@contextmanager
def telling(as_json: bool) -> Iterator[None]:
    """Says where the request is, inside the app's context; exit 1, for nothing was started."""
    from console.services.approvals import ApprovalRequested

    try:
        yield
    except ApprovalRequested as error:
        if as_json:
            from console.api.schemas.approvals import ApprovalAskedOut

            print_json(ApprovalAskedOut.of(error).model_dump(mode="json"))
        address = f"{base_url()}/approvals/{error.approval.id}"
        raise CommandFailed(f"{error.detail} The request: {address}", error.reason) from None
