"""`migrate` and `seed`: the tables, and the demonstration workspace."""

import click

from console.cli.context import application


@click.command()
def migrate() -> None:
    """Bring the tables to the newest revision."""
    with application():
        from console.services import migrations

        click.echo(f"The tables are at revision {migrations.upgrade()}.")


@click.command()
@click.option("--demo", is_flag=True, help="What is missing of the demonstration workspace.")
@click.option("--migrate", "first_migrate", is_flag=True, help="Bring the tables up to date first.")
def seed(demo: bool, first_migrate: bool) -> None:
    """Fill the database; what is there stays as it is."""
    if not demo:
        raise click.UsageError("Say what to seed: seed --demo.")
    with application() as app:
        from console import plugins
        from console.core.clock import utc_now
        from console.services import demo as workspace
        from console.services import migrations

        if first_migrate:
            migrations.upgrade()
        settings = app.extensions["console_settings"]
        seeded = workspace.seed(
            plugins.demo_jobs(),
            fill=plugins.fill_demo,
            timezone=settings.timezone,
            email=settings.admin_email,
            password=settings.admin_password,
            now=utc_now(),
        )
    if seeded.password and seeded.password != settings.admin_password:
        click.echo(f"Sign in as {seeded.email} with the password {seeded.password} (shown this once).")
    else:
        click.echo(f"Sign in as {seeded.email}.")
