"""The steps that the Python clients go through. A peer is a client and what its package calls things: client, tools(),
resources(), prompts(), call(), read(), listen(), subscribe(), unsubscribe()."""

import asyncio

from mcp import types

from steps import TIMEOUT_S, Absent, Steps, arguments, check, need

WATCHED = "test://watched-resource"


class Heard:
    """What the server has said unasked."""

    def __init__(self):
        self.updated, self.changed = asyncio.Event(), asyncio.Event()

    async def __call__(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.updated.set()
        elif isinstance(message, types.ToolListChangedNotification):
            self.changed.set()


class Walk:
    def __init__(self, peer, heard):
        self.peer, self.heard, self.client = peer, heard, peer.client
        self.tools = []

    def describe(self):
        return f"{self.client.protocol_version}, {self.client.server_info and self.client.server_info.name}"

    def is_modern(self):
        return self.client.protocol_version >= "2026-07-28"

    async def list(self):
        self.tools = await self.peer.tools()
        check(self.tools, "no tools")
        return f"{len(self.tools)} tools"

    async def call(self):
        name, given = ("echo", {"text": "hello"}) if "echo" in self.tools else ("test_simple_text", {})
        need(self.tools, name)
        text = await self.peer.call(name, given)
        check(text, "no text")
        return f"{name}: {text}"

    async def progress(self):
        need(self.tools, "test_tool_with_progress")
        seen = []

        async def on_progress(done, total, _message):
            seen.append((done, total))

        await self.peer.call("test_tool_with_progress", {}, on_progress)
        check(seen == [(0, 100), (50, 100), (100, 100)], f"progress was {seen}")
        return f"{seen}"

    async def read(self):
        need(await self.peer.resources(), "test://static-text")
        text = await self.peer.read("test://static-text")
        check(text, "no text")
        return text

    async def prompt(self):
        need(await self.peer.prompts(), "test_prompt_with_arguments")
        result = await self.client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
        text = result.messages[0].content.text
        check("one" in text and "two" in text, text)
        return text

    async def listen(self):
        need(self.tools, "test_trigger_tool_change")
        if not self.is_modern():
            await self.peer.call("test_trigger_tool_change", {})
            await self.heard.changed.wait()
            return "notifications/tools/list_changed"
        async with self.peer.listen(tools_list_changed=True) as stream:
            await self.peer.call("test_trigger_tool_change", {})
            return f"{type(await anext(stream)).__name__} on {stream.subscription_id}"

    async def listen_again(self):
        """A client of the older era opens its lost GET stream again in its own time; until then it hears nothing."""
        if self.is_modern():
            return await self.listen()
        self.heard.changed.clear()
        for attempt in range(1, int(TIMEOUT_S)):
            await self.peer.call("test_trigger_tool_change", {})
            try:
                async with asyncio.timeout(1):
                    await self.heard.changed.wait()
                return f"notifications/tools/list_changed, at attempt {attempt}"
            except TimeoutError:
                pass
        raise AssertionError("no change was heard of")

    async def subscribe(self):
        need(self.tools, "test_trigger_resource_change")
        if self.is_modern():
            async with self.peer.listen(resource_subscriptions=[WATCHED]) as stream:
                await self.peer.call("test_trigger_resource_change", {})
                return f"{await anext(stream)}"
        if not self.client.server_capabilities.resources.subscribe:
            raise Absent("the server does not declare resources.subscribe")
        await self.peer.subscribe(WATCHED)
        await self.peer.call("test_trigger_resource_change", {})
        await self.heard.updated.wait()
        await self.peer.unsubscribe(WATCHED)
        return "notifications/resources/updated"

    async def elicit(self):
        name = "test_input_required_result_elicitation" if self.is_modern() else "test_elicitation"
        need(self.tools, name)
        text = await self.peer.call(name, {} if self.is_modern() else {"message": "Who?"})
        check("Ada" in text or "ada" in text, text)
        return text

    async def cancel(self):
        need(self.tools, "slow_compute")
        calling = asyncio.create_task(self.peer.call("slow_compute", {"seconds": 15, "label": "cancelled"}))
        await asyncio.sleep(0.5)
        check(not calling.done(), f"the call ended by itself: {calling}")
        calling.cancel()
        await asyncio.wait([calling], timeout=5)
        check(calling.cancelled(), "the call did not end within 5 s of its cancellation")
        return f"and the next call works: {await self.call()}"


async def walk(peer_of):
    """All steps; peer_of(options, what hears notifications) makes the peer."""
    options, steps, heard = arguments(), Steps(), Heard()
    way = Walk(peer_of(options, heard), heard)

    async def every_step():
        for name in ("list", "call", "progress", "read", "prompt", "listen", "subscribe", "elicit", "cancel"):
            await steps.step(name, getattr(way, name))
        if options.pause:
            await steps.pause()
            for work in (way.list, way.call, way.listen_again):
                await steps.step("again", work)

    await steps.connected(way.client, way.describe, every_step)
    steps.end()


def main(peer_of):
    asyncio.run(walk(peer_of))
