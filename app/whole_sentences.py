"""A group of commands whose help tells each command's whole first sentence."""

from __future__ import annotations

import click


class WholeSentences(click.Group):
    """Nothing is cut off to fit the line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(limit=150)) for name, each in sorted(self.commands.items())]
            )
