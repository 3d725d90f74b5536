"""What every foreign client does against a URL, one printed line a step."""

import argparse
import asyncio
import sys
import time

TIMEOUT_S = 20.0
# What the user answers to an elicitation.
ANSWERS = {"name": "Ada", "username": "ada", "email": "ada@example.com"}


class Absent(Exception):
    """The server does not offer what the step needs: nothing was shown, and the run is not a success."""


def need(offered, name):
    if name not in offered:
        raise Absent(f"the server does not offer {name}")


def check(condition, complaint):
    if not condition:
        raise AssertionError(complaint)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--era", choices=["auto", "modern", "legacy"], default="auto")
    parser.add_argument("--pause", action="store_true", help="wait for a line on stdin, then list and call again")
    parsed = parser.parse_args()
    parsed.mode = {"modern": "2026-07-28"}.get(parsed.era, parsed.era)
    return parsed


class Steps:
    def __init__(self):
        self.bad = 0

    def say(self, word, name, began, said):
        self.bad += word in ("ABSENT", "FAIL")
        first = (str(said).splitlines() or [""])[0]
        print(f"{word:6} {name:10} {(time.monotonic() - began) * 1000:6.0f} ms  {first}", flush=True)

    async def step(self, name, work):
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self.say("ok", name, began, await work())
        except Absent as why:
            self.say("ABSENT", name, began, why)
        except Exception as why:  # a client's own failure is what is looked for
            self.say("FAIL", name, began, f"{type(why).__name__}: {why}")

    async def connected(self, client, describe, work):
        """Does the work with the client connected; that it cannot connect, or close, is a step that failed."""
        name, began = "connect", time.monotonic()
        try:
            async with client:
                self.say("ok", name, began, describe())
                await work()
                name, began = "close", time.monotonic()
            self.say("ok", name, began, "")
        except Exception as why:
            while isinstance(why, BaseExceptionGroup):
                why = why.exceptions[0]
            self.say("FAIL", name, began, f"{type(why).__name__}: {why}")

    async def pause(self):
        print("PAUSE", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    def end(self):
        sys.exit(1 if self.bad else 0)
