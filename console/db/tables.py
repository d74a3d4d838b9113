"""Imports every table of the spine, so that the metadata are complete."""

from console.db.jobs import Deletion, Job, JobRevision
from console.db.operations import Approval, AuditEntry, CaughtMail, Heartbeat, Setting
from console.db.people import ApiToken, LoginSession, Membership, Org, User
from console.db.runs import Run, RunLog

__all__ = [
    "ApiToken",
    "Approval",
    "AuditEntry",
    "CaughtMail",
    "Deletion",
    "Heartbeat",
    "Job",
    "JobRevision",
    "LoginSession",
    "Membership",
    "Org",
    "Run",
    "RunLog",
    "Setting",
    "User",
]
