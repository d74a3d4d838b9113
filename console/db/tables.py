"""Imports every table of the spine, so that the metadata are complete."""

from console.db.alerts import (
    AlertChannel,
    AlertCursor,
    AlertDelivery,
    AlertEvent,
    AlertRule,
    AlertRuleChannel,
)
from console.db.approvals import Approval, ApprovalKey
from console.db.chains import JobLink
from console.db.jobs import Deletion, Job, JobRevision
from console.db.operations import CaughtMail, Heartbeat, Setting
from console.db.pauses import QueuePause
from console.db.people import ApiToken, LoginSession, Membership, Org, User
from console.db.runs import Run, RunLog
from console.db.trail import AuditEntry, AuditHead, AuditLink

__all__ = [
    "AlertChannel",
    "AlertCursor",
    "AlertDelivery",
    "AlertEvent",
    "AlertRule",
    "AlertRuleChannel",
    "ApiToken",
    "Approval",
    "ApprovalKey",
    "AuditEntry",
    "AuditHead",
    "AuditLink",
    "CaughtMail",
    "Deletion",
    "Heartbeat",
    "Job",
    "JobLink",
    "JobRevision",
    "LoginSession",
    "Membership",
    "Org",
    "QueuePause",
    "Run",
    "RunLog",
    "Setting",
    "User",
]
