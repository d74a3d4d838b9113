"""What a platform asks: does the process live, and can it serve?"""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from console.services import health

bp = Blueprint("probes", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """200 when Postgres and Redis answer and the migrations are current, else 503 with what is not.

    Anybody may ask, so it says no more than that; `console doctor` says why.
    """
    checks = health.readiness()
    is_ready = all(check.ok for check in checks)
    lines = [{"name": check.name, "ok": check.ok} for check in checks]
    answer = jsonify(status="ok" if is_ready else "unavailable", checks=lines)
    return answer, 200 if is_ready else 503
