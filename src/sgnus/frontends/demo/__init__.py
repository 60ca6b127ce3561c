"""`sgnus demo`: a private network of real nodes on loopback, a photograph, two crashes, and a liar."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from sgnus.frontends.demo.options import DemoOptions
    from sgnus.frontends.demo.outcome import Outcome
    from sgnus.frontends.demo.showing import Screen
    from sgnus.frontends.files.inputs import Array

FAILED: Final = 1
BROKEN_OFF: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Run the demo; its exit status. UserFault and WorldFault are sentences for a person."""
    from sgnus.frontends.demo.options import command

    try:
        options = command.main(arguments, prog_name="sgnus demo", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    if isinstance(options, int):
        return options
    return _run(options)


def _run(options: DemoOptions) -> int:
    from sgnus.frontends.demo.options import tile_of
    from sgnus.frontends.demo.outcome import failures, report, rows
    from sgnus.frontends.demo.running import checked_source
    from sgnus.frontends.demo.showing import Screen
    from sgnus.frontends.files.outputs import check_place

    source = checked_source(options)
    tile_of(options, source.shape)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    check_place(options.output, options.input)
    with Screen(options.as_json) as screen:
        try:
            outcome = asyncio.run(_until_signalled(options, source, screen))
        except asyncio.CancelledError:
            screen.say("broken off; no process is left")
            return BROKEN_OFF
        found = report(options, outcome, screen.seconds)
    screen.table(rows(found))
    if options.as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    wrong = failures(options, outcome)
    for sentence in wrong:
        screen.say(sentence)
    return FAILED if wrong else 0


async def _until_signalled(options: DemoOptions, source: Array, screen: Screen) -> Outcome:
    """The demo, cancelled by SIGINT, SIGTERM or SIGHUP: its cleaning up is done then as well."""
    from sgnus.frontends.demo.running import Demo

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    return await Demo(options, source, screen).run()
