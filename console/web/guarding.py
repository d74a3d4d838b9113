"""An admin says that a job needs a second person, or that it no longer does."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.services import guarding
from console.services.approvers import ALONE
from console.web.identity import actor, moment
from console.web.waiting import approves_alone

bp = Blueprint("guarding", __name__)


@bp.post("/jobs/<uuid:job_id>/guard")
def guard(job_id: UUID) -> ResponseReturnValue:
    wanted = request.form.get("needs_approval") == "1"
    job = guarding.set_guard(actor(), job_id, wanted, note=request.form.get("note"), now=moment())
    words = "a second person must approve each click." if job.needs_approval else "clicks run at once again."
    flash(f"{job.name}: {words}")
    if job.needs_approval and approves_alone():
        flash(ALONE)
    return redirect(url_for("jobs.show", job_id=job_id), 303)
