"""Who may do what: one table of permissions and roles, and the one place that asks it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from console.core.errors import Forbidden
from console.core.states import Role


class Permission(StrEnum):
    """Something that may be allowed or not; `label` says it on the page of roles."""

    READ = "read"
    READ_AUDIT = "audit:read"
    RUN_JOBS = "jobs:run"
    EDIT_JOBS = "jobs:edit"
    DELETE_JOBS = "jobs:delete"
    CONTROL_RUNS = "runs:control"
    RESOLVE_RUNS = "runs:resolve"
    PAUSE_QUEUES = "queues:pause"
    EDIT_CHAINS = "chains:edit"
    EDIT_EVENTS = "events:edit"
    EDIT_MESSAGES = "messages:edit"
    TICK = "scheduler:tick"
    DECIDE_APPROVALS = "approvals:decide"
    GUARD_JOBS = "jobs:guard"
    MANAGE_PEOPLE = "people:manage"
    MANAGE_TOKENS = "tokens:manage"
    MANAGE_SESSIONS = "sessions:manage"
    EDIT_ORG = "org:edit"
    EDIT_ALERTS = "alerts:edit"

    @property
    def label(self) -> str:
        return LABELS[self]


LABELS: Mapping[Permission, str] = MappingProxyType(
    {
        Permission.READ: "See jobs, runs, schedules, events and workers, and ask why",
        Permission.READ_AUDIT: "Read, verify and export the audit trail",
        Permission.RUN_JOBS: "Send now, run now or later, dry run, run in sequence",
        Permission.EDIT_JOBS: "Create, edit, pause and import jobs and schedules",
        Permission.DELETE_JOBS: "Delete jobs, and take a deletion back",
        Permission.CONTROL_RUNS: "Stop and retry runs",
        Permission.RESOLVE_RUNS: "Settle a run whose outcome is unknown",
        Permission.PAUSE_QUEUES: "Pause and resume queues",
        Permission.EDIT_CHAINS: "Say which job runs after which",
        Permission.EDIT_EVENTS: "Create, edit and import events",
        Permission.EDIT_MESSAGES: "Edit message settings and templates",
        Permission.TICK: "Make a pass of the scheduler (external cron)",
        Permission.DECIDE_APPROVALS: "Approve or reject what somebody else asked for",
        Permission.GUARD_JOBS: "Say which jobs need a second person",
        Permission.MANAGE_PEOPLE: "Add, disable and give roles to people",
        Permission.MANAGE_TOKENS: "Create and revoke API tokens",
        Permission.MANAGE_SESSIONS: "See and end other people's sessions",
        Permission.EDIT_ORG: "Change the settings of the org",
        Permission.EDIT_ALERTS: "Set up alerts and where they go",
    }
)

LEAST: Mapping[Permission, Role] = MappingProxyType(
    {
        Permission.READ: Role.VIEWER,
        Permission.READ_AUDIT: Role.VIEWER,
        Permission.RUN_JOBS: Role.OPERATOR,
        Permission.EDIT_JOBS: Role.OPERATOR,
        Permission.DELETE_JOBS: Role.OPERATOR,
        Permission.CONTROL_RUNS: Role.OPERATOR,
        Permission.RESOLVE_RUNS: Role.OPERATOR,
        Permission.PAUSE_QUEUES: Role.OPERATOR,
        Permission.EDIT_CHAINS: Role.OPERATOR,
        Permission.EDIT_EVENTS: Role.OPERATOR,
        Permission.EDIT_MESSAGES: Role.OPERATOR,
        Permission.TICK: Role.OPERATOR,
        Permission.DECIDE_APPROVALS: Role.ADMIN,
        Permission.GUARD_JOBS: Role.ADMIN,
        Permission.MANAGE_PEOPLE: Role.ADMIN,
        Permission.MANAGE_TOKENS: Role.ADMIN,
        Permission.MANAGE_SESSIONS: Role.ADMIN,
        Permission.EDIT_ORG: Role.ADMIN,
        Permission.EDIT_ALERTS: Role.ADMIN,
    }
)
"""The least role that has each permission; a role has all that the ones before it have."""


def allows(role: Role, permission: Permission) -> bool:
    """Whether `role` has the permission."""
    return role.includes(LEAST[permission])


def why_not(role: Role, permission: Permission) -> str | None:
    """Why `role` may not, in half a sentence for a disabled button; None when it may."""
    return None if allows(role, permission) else f"needs the role {LEAST[permission]}"


def check(role: Role, permission: Permission) -> None:
    """Raises `Forbidden` unless `role` has the permission."""
    if not allows(role, permission):
        raise Forbidden(
            f"This needs the role {LEAST[permission]}; you have {role}. Nothing was changed. "
            "Ask an administrator of your org."
        )
