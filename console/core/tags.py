"""What an audit entry is about: `object:action`, a closed set."""

from enum import StrEnum


class Tag(StrEnum):
    SIGNED_IN = "session:signed_in"
    SIGN_IN_REFUSED = "session:refused"
    SIGNED_OUT = "session:signed_out"
    SESSION_REVOKED = "session:revoked"
    ACCESS_REFUSED = "access:refused"
    USER_CREATED = "user:created"
    USER_DISABLED = "user:disabled"
    USER_ENABLED = "user:enabled"
    USER_CHANGED = "user:changed"
    PASSWORD_CHANGED = "user:password_changed"  # noqa: S105
    ROLE_CHANGED = "user:role_changed"
    ORG_CHANGED = "org:changed"
    TOKEN_CREATED = "token:created"  # noqa: S105
    TOKEN_REVOKED = "token:revoked"  # noqa: S105
    JOB_CREATED = "job:created"
    JOB_CHANGED = "job:changed"
    JOB_PAUSED = "job:paused"
    JOB_RESUMED = "job:resumed"
    JOB_DELETED = "job:deleted"
    JOB_RESTORED = "job:restored"
    JOB_GUARDED = "job:guarded"
    JOB_UNGUARDED = "job:unguarded"
    CHAIN_CHANGED = "job:chain_changed"
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
    RUN_STOPPED = "run:stop_requested"
    RUN_RETRIED = "run:retried"
    QUEUE_PAUSED = "queue:paused"
    QUEUE_RESUMED = "queue:resumed"
    APPROVAL_REQUESTED = "approval:requested"
    APPROVAL_APPROVED = "approval:approved"
    APPROVAL_REJECTED = "approval:rejected"
    APPROVAL_WITHDRAWN = "approval:withdrawn"
    APPROVAL_EXPIRED = "approval:expired"
    ALERT_CHANNEL_CREATED = "alert_channel:created"
    ALERT_CHANNEL_CHANGED = "alert_channel:changed"
    ALERT_CHANNEL_DELETED = "alert_channel:deleted"
    ALERT_RULE_CREATED = "alert_rule:created"
    ALERT_RULE_CHANGED = "alert_rule:changed"
    ALERT_RULE_DELETED = "alert_rule:deleted"
    ALERT_TESTED = "alert:tested"
    AUDIT_EXPORTED = "audit:exported"
    AUDIT_VERIFIED = "audit:verified"
    TASK_EXECUTION_STARTED = "TASK_EXECUTION_STARTED"
    TASK_EXECUTION_COMPLETED = "TASK_EXECUTION_COMPLETED"
    TASK_EXECUTION_FAILED = "TASK_EXECUTION_FAILED"

    @property
    def group(self) -> str:
        """What it is about, in a word or two for a list: `Job`, `Alert rule`."""
        about, _, action = self.value.partition(":")
        return _in_words(about) if action else "Execution"

    @property
    def label(self) -> str:
        """The words for it on a page: `Job changed`."""
        return _in_words(self.value)


def _in_words(code: str) -> str:
    return code.replace(":", " ").replace("_", " ").capitalize()
