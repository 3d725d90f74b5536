"""The official Python SDK as a client: client_mcp.py URL [--era auto|modern|legacy] [--pause]"""

import asyncio
import warnings

import mcp
from mcp import types

from steps import Absent, Steps, arguments, check, need

# That a method is deprecated in the newest era says nothing about the older ones.
warnings.filterwarnings("ignore")


async def accept(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Ada", "username": "ada", "email": "ada@example.com"})


async def run(options, steps):
    updated, changed = asyncio.Event(), asyncio.Event()

    async def on_message(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.set()
        elif isinstance(message, types.ToolListChangedNotification):
            changed.set()

    client = mcp.Client(options.url, mode=options.mode, elicitation_callback=accept, message_handler=on_message)
    tools = []

    def describe():
        return f"{client.protocol_version}, {client.server_info and client.server_info.name}"

    async def list_all():
        tools[:] = [tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools]
        check(tools, "no tools")
        counts = [f"{len(tools)} tools"]
        for what in ("resources", "prompts"):
            try:
                counts.append(f"{len(getattr(await getattr(client, f'list_{what}')(), what))} {what}")
            except mcp.MCPError as why:
                counts.append(f"no {what} ({why.code})")
        return ", ".join(counts)

    async def call():
        name, given = ("echo", {"text": "hello"}) if "echo" in tools else ("test_simple_text", {})
        need(tools, name)
        result = await client.call_tool(name, given)
        check(not result.is_error and result.content[0].text, f"got {result}")
        return f"{name}: {result.content[0].text}"

    async def progress():
        need(tools, "test_tool_with_progress")
        seen = []

        async def on_progress(done, total, _message):
            seen.append((done, total))

        await client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
        check(seen == [(0, 100), (50, 100), (100, 100)], f"progress was {seen}")
        return f"{seen}"

    async def read():
        need([r.uri for r in (await client.list_resources()).resources], "test://static-text")
        contents = (await client.read_resource("test://static-text")).contents
        check(contents[0].text, "no text")
        return contents[0].text

    async def prompt():
        need([p.name for p in (await client.list_prompts()).prompts], "test_prompt_with_arguments")
        result = await client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
        text = result.messages[0].content.text
        check("one" in text and "two" in text, text)
        return text

    async def listen():
        need(tools, "test_trigger_tool_change")
        if client.protocol_version < "2026-07-28":
            await client.call_tool("test_trigger_tool_change", {})
            await changed.wait()
            return "notifications/tools/list_changed"
        async with client.listen(tools_list_changed=True) as stream:
            await client.call_tool("test_trigger_tool_change", {})
            return f"{type(await anext(stream)).__name__} on {stream.subscription_id}"

    async def subscribe():
        need(tools, "test_trigger_resource_change")
        uri = "test://watched-resource"
        if client.protocol_version >= "2026-07-28":
            async with client.listen(resource_subscriptions=[uri]) as stream:
                await client.call_tool("test_trigger_resource_change", {})
                return f"{await anext(stream)}"
        if not client.server_capabilities.resources.subscribe:
            raise Absent("the server does not declare resources.subscribe")
        await client.subscribe_resource(uri)
        await client.call_tool("test_trigger_resource_change", {})
        await updated.wait()
        await client.unsubscribe_resource(uri)
        return "notifications/resources/updated"

    async def elicit():
        modern = client.protocol_version >= "2026-07-28"
        name = "test_input_required_result_elicitation" if modern else "test_elicitation"
        need(tools, name)
        result = await client.call_tool(name, {} if modern else {"message": "Who?"})
        text = result.content[0].text
        check(not result.is_error and ("Ada" in text or "ada" in text), text)
        return text

    async def cancel():
        need(tools, "slow_compute")
        calling = asyncio.create_task(client.call_tool("slow_compute", {"seconds": 15, "label": "cancelled"}))
        await asyncio.sleep(0.5)
        check(not calling.done(), f"the call ended by itself: {calling}")
        calling.cancel()
        await asyncio.wait([calling], timeout=5)
        check(calling.cancelled(), "the call did not end within 5 s of its cancellation")
        return f"and the next call works: {await call()}"

    async def every_step():
        for work in (list_all, call, progress, read, prompt, listen, subscribe, elicit, cancel):
            await steps.step(work.__name__.removesuffix("_all"), work)
        if options.pause:
            await steps.pause()
            for work in (list_all, call):
                await steps.step("again", work)

    await steps.connected(client, describe, every_step)


if __name__ == "__main__":
    ran = Steps()
    asyncio.run(run(arguments(), ran))
    ran.end()
