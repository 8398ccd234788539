"""Offer the nearest choice where an option has a word that it does not take."""

from __future__ import annotations

from typing import Any

import click

from synth.text import nearest


class NearestChoice(click.Choice):  # type: ignore[type-arg]
    """A choice whose complaint names the nearest word; no generic type before click 8.2."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the choice; raises ``BadParameter``."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = nearest(str(value), (str(one) for one in self.choices))
            message = f"{error.message.removesuffix('.')}; {hint}" if hint else error.message
            raise click.BadParameter(message, error.ctx, error.param) from None


def offer_nearest(command: click.Command) -> None:
    """Let every choice of a command, and of those below it, complain like that."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            offer_nearest(one)
    for param in command.params:
        if type(param.type) is click.Choice:
            param.type = NearestChoice(param.type.choices, param.type.case_sensitive)
