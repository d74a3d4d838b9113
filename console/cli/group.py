"""A group of commands that knows what was meant."""

from difflib import get_close_matches

import click


class Suggesting(click.Group):
    """Like click's group; an unknown command gets the nearest names."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=3, cutoff=0.4)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)
