"""completion: print the script that lets a shell complete regctl's command lines."""

from __future__ import annotations

import click

from regctl.commands.base import App, define, pass_app

_HELP = """Print the script with which SHELL completes regctl's commands, options and files.

For bash put the first of these lines into ~/.bashrc; for zsh the second into ~/.zshrc, after
compinit; for fish run the third once:

\b
  eval "$(regctl completion bash)"
  eval "$(regctl completion zsh)"
  regctl completion fish > ~/.config/fish/completions/regctl.fish
"""


@define("completion", "Print a shell's completion script.", help=_HELP)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_app
def command(app: App, context: click.Context, shell: str) -> None:
    """Print a completion script."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    completer = get_completion_class(shell)
    assert completer is not None
    root = context.find_root()
    complete = completer(root.command, {}, "regctl", "_REGCTL_COMPLETE")
    # Not `source()`, which runs bash to ask for its version.
    script = complete.source_template % complete.source_vars()
    app.output.result(script.strip(), {"shell": shell, "script": script})
