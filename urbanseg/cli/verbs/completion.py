"""Print a script that completes this command in a shell.

For bash: urbanseg completion bash > ~/.local/share/bash-completion/completions/urbanseg
"""

from argparse import ArgumentParser, Namespace


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("shell", choices=("bash", "tcsh", "zsh"), help="the shell")


def run(asked: Namespace) -> None:
    """Print the script."""
    import shtab

    from urbanseg.cli.main import VERBS, describe
    from urbanseg.cli.parser import Parser

    whole = Parser(prog="urbanseg")
    verbs = whole.add_subparsers(parser_class=Parser)
    for name, about in VERBS.items():
        describe(name, verbs.add_parser(name, help=about))
    print(shtab.complete(whole, asked.shell))
