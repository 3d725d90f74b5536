"""FastMCP as a client: client_fastmcp.py URL [--era auto|modern|legacy] [--pause]"""

import asyncio
import warnings

import fastmcp
from mcp import types
from mcp.client.subscriptions import listen as open_listen

from steps import Absent, Steps, arguments, check, need

warnings.filterwarnings("ignore")


async def accept(_message, _response_type, params, _context):
    wanted = params.requested_schema["properties"]
    known = {"name": "Ada", "username": "ada", "email": "ada@example.com"}
    return {key: value for key, value in known.items() if key in wanted}


async def run(options, steps):
    updated, changed = asyncio.Event(), asyncio.Event()

    async def on_message(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.set()
        elif isinstance(message, types.ToolListChangedNotification):
            changed.set()

    client = fastmcp.Client(options.url, mode=options.mode, elicitation_handler=accept, message_handler=on_message)
    tools = []

    def describe():
        return f"{client.protocol_version}, {client.server_info and client.server_info.name}"

    def modern():
        return client.protocol_version >= "2026-07-28"

    async def list_all():
        tools[:] = [tool.name for tool in await client.list_tools()]
        check(tools, "no tools")
        return f"{len(tools)} tools"

    async def call():
        name, given = ("echo", {"text": "hello"}) if "echo" in tools else ("test_simple_text", {})
        need(tools, name)
        result = await client.call_tool(name, given)
        check(result.content[0].text, f"got {result}")
        return f"{name}: {result.content[0].text}"

    async def progress():
        need(tools, "test_tool_with_progress")
        seen = []

        async def on_progress(done, total, _message):
            seen.append((done, total))

        await client.call_tool("test_tool_with_progress", {}, progress_handler=on_progress)
        check(seen == [(0, 100), (50, 100), (100, 100)], f"progress was {seen}")
        return f"{seen}"

    async def read():
        need([str(resource.uri) for resource in await client.list_resources()], "test://static-text")
        contents = await client.read_resource("test://static-text")
        check(contents[0].text, "no text")
        return contents[0].text

    async def prompt():
        need([prompt.name for prompt in await client.list_prompts()], "test_prompt_with_arguments")
        result = await client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
        text = result.messages[0].content.text
        check("one" in text and "two" in text, text)
        return text

    # FastMCP has no call of its own for subscriptions; its session is the SDK's.
    async def listen():
        need(tools, "test_trigger_tool_change")
        if not modern():
            await client.call_tool("test_trigger_tool_change", {})
            await changed.wait()
            return "notifications/tools/list_changed"
        async with open_listen(client.session, tools_list_changed=True) as stream:
            await client.call_tool("test_trigger_tool_change", {})
            return f"{type(await anext(stream)).__name__} on {stream.subscription_id}"

    async def subscribe():
        need(tools, "test_trigger_resource_change")
        uri = "test://watched-resource"
        if modern():
            async with open_listen(client.session, resource_subscriptions=[uri]) as stream:
                await client.call_tool("test_trigger_resource_change", {})
                return f"{await anext(stream)}"
        if not client.server_capabilities.resources.subscribe:
            raise Absent("the server does not declare resources.subscribe")
        await client.session.subscribe_resource(uri)
        await client.call_tool("test_trigger_resource_change", {})
        await updated.wait()
        await client.session.unsubscribe_resource(uri)
        return "notifications/resources/updated"

    async def elicit():
        name = "test_input_required_result_elicitation" if modern() else "test_elicitation"
        need(tools, name)
        result = await client.call_tool(name, {} if modern() else {"message": "Who?"})
        text = result.content[0].text
        check("Ada" in text or "ada" in text, text)
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
