"""Tasks that change the desk's settings at a time to come."""

from uuid import UUID

from console import Params, Result, Run, task
from console.core.actor import Actor
from console.core.states import ActorKind, Role
from console.plugins.messages import settings
from console.plugins.messages.views import WeekendRule

SETTINGS = "/messages/settings"


class Rule(Params):
    """The rule that is to hold from then on."""

    rule: WeekendRule


@task(
    title="Set the weekend rule",
    category="Messages",
    queue="messages",
    idempotent=True,
    dry_run=True,
    params=Rule,
)
def set_weekend_rule(run: Run) -> Result:
    """Sets the org's weekend rule; every planned message that falls on a weekend moves with it."""
    rule: WeekendRule = run.args.rule
    actor = Actor(ActorKind.WORKER, UUID(run.org_id), "", "UTC", Role.OPERATOR, "Set the weekend rule")
    before = settings.get(actor).preferences.weekend_rule
    if rule != before:
        run.changed("weekend rule", before, rule, SETTINGS)
    kept = settings.save(actor, settings.SettingsChange(weekend_rule=rule), now=run.now)
    moved = "messages would move" if run.dry_run else "messages moved"
    word = f"{kept.planned.moved} {moved}" if kept.is_changed else "it held already"
    run.log(f"Weekend rule {rule}: {word}.")
    return Result(word, {"rule": rule.value, "moved": kept.planned.moved})
