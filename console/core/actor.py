"""Who is asking: a signed-in person, a token, or a person at a shell, always inside one org."""

from dataclasses import dataclass
from uuid import UUID

from console.core import permissions
from console.core.permissions import Permission
from console.core.states import ActorKind, Role


@dataclass(frozen=True)
class Actor:
    """The one who asks. `email` is where mail for this actor goes: a token's is its owner's."""

    kind: ActorKind
    org_id: UUID
    org_name: str
    zone: str
    role: Role
    name: str
    id: UUID | None = None
    email: str | None = None
    address: str | None = None
    request_id: str | None = None

    def require(self, permission: Permission) -> None:
        """Raises `Forbidden` unless the actor's role has the permission."""
        permissions.check(self.role, permission)

    def may(self, permission: Permission) -> bool:
        """Whether the actor's role has the permission."""
        return permissions.allows(self.role, permission)
