"""The command `asclf`: finds the verb, runs it, and turns errors into one line and a status.

Only the standard library is imported before the verb is known, so that `asclf --help` is quick.
Status: 0 done · 1 a fault in asclf (with traceback) · 2 an error of the user's · 130 interrupted ·
143 terminated.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asclf import __version__
from asclf.cli._parser import VerbParser, nearest
from asclf.errors import AsclfError, MissingExtraError, UsageError

VERBS = {
    "init": "begin with a folder of recordings: look at each, deal folds, write a script",
    "leakage": "look for what training has in common with test",
    "tag": "label the clips of manifests by a model, to pre-train a smaller one on them",
    "shard": "write the clips of a manifest into shards, checked and resampled",
    "train": "train a classifier, one run for each fold left out",
    "reproduce": "train runs again as they were trained, and compare the weights",
    "score": "score the runs of an experiment on the folds they never saw",
    "compare": "test whether one scored experiment is better than another",
    "sweep": "train and score one experiment at many settings, in one table",
    "table": "print a paper's table with our figures beside it",
    "protocols": "train and score a model under four protocols, side by side",
    "analyze": "draw the figures of an experiment, with the numbers behind them",
    "predict": "classify audio files with a checkpoint or a bundle",
    "embed": "write the embeddings of audio files",
    "export": "export a run as a bundle that needs no torch",
    "calibrate": "choose when a bundle answers `unknown`",
    "import-weights": "convert weights that other projects published",
    "bench": "measure a bundle's latency and memory on this machine",
    "list": "list the components that a configuration can name",
    "config": "show a configuration with the origin of every value",
    "doctor": "show versions, decoders, accelerator, and what each extra would add",
}
USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _survive_odd_file_names()
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (AsclfError, OSError, ModuleNotFoundError) as error:
        shown = _as_user_error(error)
        if shown is None:
            raise
        if "--debug" in arguments:
            traceback.print_exc()
        print(shown, file=sys.stderr)
        return USER_ERROR


def _run(arguments: list[str]) -> int:
    verb = next((word for word in arguments if not word.startswith("-")), None)
    if verb is None:
        return _run_without_verb(arguments)
    if verb not in VERBS:
        raise UsageError(
            f"unknown verb {verb!r}", where="asclf", hint=nearest(verb, VERBS) or "see asclf --help"
        )
    module = importlib.import_module(f"asclf.cli.{verb.replace('-', '_')}")
    parser = VerbParser(verb, module.__doc__ or "")
    module.add_arguments(parser)
    place = arguments.index(verb)
    options = parser.read([*arguments[:place], *arguments[place + 1 :]])
    options.command = ["asclf", *arguments]
    with _log_on_stderr(logging.DEBUG if options.debug else logging.INFO):
        return int(module.run(options))


def _run_without_verb(arguments: Sequence[str]) -> int:
    unknown = [word for word in arguments if word not in ("-h", "--help", "--version", "--debug")]
    if unknown:
        hint = nearest(unknown[0], ("--help", "--version", "--debug")) or "see asclf --help"
        raise UsageError(f"unknown option {unknown[0]!r}", where="asclf", hint=hint)
    print(f"asclf {__version__}" if "--version" in arguments else _help())
    return 0 if arguments else USER_ERROR


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {purpose}" for verb, purpose in VERBS.items())
    return (
        "usage: asclf VERB [argument …] [--debug]\n\n"
        "Classify sounds with small models: from recordings to a scored, exported model.\n\n"
        f"verbs:\n{verbs}\n\n"
        "asclf VERB --help shows examples. asclf --version prints the version."
    )


def _as_user_error(error: Exception) -> AsclfError | None:
    """The error as the user is told it; `None` where it is a fault in asclf."""
    if isinstance(error, AsclfError):
        return error
    if isinstance(error, ModuleNotFoundError):
        from asclf.cli._extras import extra_of

        package = (error.name or "").partition(".")[0]
        extra = extra_of(package)
        return MissingExtraError(package, extra) if extra else None
    if isinstance(error, OSError) and error.strerror:
        return AsclfError(error.strerror, where=error.filename)
    return None


@contextmanager
def _log_on_stderr(level: int) -> Iterator[None]:
    logger, handler = logging.getLogger("asclf"), _log_handler()
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _log_handler() -> logging.Handler:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        return RichHandler(
            console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S"
        )
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _survive_odd_file_names() -> None:
    """File names that are no text in the terminal's encoding are printed with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
