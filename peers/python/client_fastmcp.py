"""FastMCP as a client: client_fastmcp.py URL [--era auto|modern|legacy] [--pause]"""

import warnings

import fastmcp
from mcp.client.subscriptions import listen

from steps import ANSWERS
from walk import main

warnings.filterwarnings("ignore")


async def accept(_message, _response_type, params, _context):
    wanted = params.requested_schema["properties"]
    return {key: value for key, value in ANSWERS.items() if key in wanted}


class Peer:
    def __init__(self, options, heard):
        self.client = fastmcp.Client(options.url, mode=options.mode, elicitation_handler=accept, message_handler=heard)

    async def tools(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def resources(self):
        return [str(resource.uri) for resource in await self.client.list_resources()]

    async def prompts(self):
        return [prompt.name for prompt in await self.client.list_prompts()]

    async def call(self, name, given, on_progress=None):
        return (await self.client.call_tool(name, given, progress_handler=on_progress)).content[0].text

    async def read(self, uri):
        return (await self.client.read_resource(uri))[0].text

    # FastMCP has no call of its own for subscriptions; its session is the SDK's.
    def listen(self, **what):
        return listen(self.client.session, **what)

    async def subscribe(self, uri):
        await self.client.session.subscribe_resource(uri)

    async def unsubscribe(self, uri):
        await self.client.session.unsubscribe_resource(uri)


if __name__ == "__main__":
    main(Peer)
