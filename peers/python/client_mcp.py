"""The official Python SDK as a client: client_mcp.py URL [--era auto|modern|legacy] [--pause]"""

import warnings

import mcp
from mcp import types

from steps import ANSWERS, check
from walk import main

# That a method is deprecated in the newest era says nothing about the older ones.
warnings.filterwarnings("ignore")


async def accept(_context, _params):
    return types.ElicitResult(action="accept", content=ANSWERS)


class Peer:
    def __init__(self, options, heard):
        self.client = mcp.Client(options.url, mode=options.mode, elicitation_callback=accept, message_handler=heard)
        self.listen = self.client.listen
        self.subscribe, self.unsubscribe = self.client.subscribe_resource, self.client.unsubscribe_resource

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools(cache_mode="bypass")).tools]

    async def resources(self):
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def call(self, name, given, on_progress=None):
        result = await self.client.call_tool(name, given, progress_callback=on_progress)
        check(not result.is_error, f"got {result}")
        return result.content[0].text

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text


if __name__ == "__main__":
    main(Peer)
