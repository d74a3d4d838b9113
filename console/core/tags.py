"""What an audit entry is about: `object:action`, a closed set."""

from enum import StrEnum


class Tag(StrEnum):
    SIGNED_IN = "session:signed_in"
    SIGN_IN_REFUSED = "session:refused"
    SIGNED_OUT = "session:signed_out"
    USER_CREATED = "user:created"
    USER_DISABLED = "user:disabled"
    USER_ENABLED = "user:enabled"
    PASSWORD_CHANGED = "user:password_changed"  # noqa: S105
    TOKEN_CREATED = "token:created"  # noqa: S105
    TOKEN_REVOKED = "token:revoked"  # noqa: S105
    JOB_CREATED = "job:created"
    JOB_CHANGED = "job:changed"
    JOB_PAUSED = "job:paused"
    JOB_RESUMED = "job:resumed"
    JOB_DELETED = "job:deleted"
    JOB_RESTORED = "job:restored"
    JOBS_DELETED = "jobs:deleted"
    JOBS_RESTORED = "jobs:restored"
    EVENT_CREATED = "event:created"
    EVENT_CHANGED = "event:changed"
    EVENT_DELETED = "event:deleted"
    MESSAGE_SETTINGS_CHANGED = "message_settings:changed"
    MESSAGE_TYPE_CHANGED = "message_type:changed"
    TEMPLATE_CHANGED = "template:changed"
    RUN_REQUESTED = "run:requested"
    RUN_REFUSED = "run:refused"
    RUN_RESOLVED = "run:resolved"
    TASK_EXECUTION_STARTED = "TASK_EXECUTION_STARTED"
    TASK_EXECUTION_COMPLETED = "TASK_EXECUTION_COMPLETED"
    TASK_EXECUTION_FAILED = "TASK_EXECUTION_FAILED"
