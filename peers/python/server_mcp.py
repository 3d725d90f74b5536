"""The official Python SDK as a server, with the fixtures that peers/ and the load use.

server_mcp.py [--port N] [--json] [--stateless]   prints "listening on 127.0.0.1:PORT"
"""

import argparse
import asyncio
import socket

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ToolAnnotations,
)
from pydantic import BaseModel

server = MCPServer("python-mcp")
READ_ONLY = ToolAnnotations(read_only_hint=True)
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@server.tool(annotations=READ_ONLY, structured_output=False)
def echo(text: str = "hello") -> str:
    """Sends the text back; without arguments, so that a load may call it unasked."""
    return text


@server.tool(annotations=READ_ONLY, structured_output=False)
async def test_tool_with_progress(ctx: Context) -> str:
    """Reports 0, 50 and 100 of 100."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "done"


@server.tool(annotations=READ_ONLY, structured_output=False)
async def slow_compute(seconds: float, label: str = "") -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return f"{label} took {seconds} s"


@server.tool(structured_output=False)
async def test_trigger_tool_change(ctx: Context) -> str:
    """Says that the list of tools changed."""
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "changed"


@server.tool(structured_output=False)
async def test_trigger_resource_change(ctx: Context) -> str:
    """Says that test://watched-resource changed."""
    await ctx.notify_resource_updated("test://watched-resource")
    await ctx.session.send_resource_updated("test://watched-resource")
    return "changed"


class Answer(BaseModel):
    username: str


@server.tool(structured_output=False)
async def test_elicitation(message: str, ctx: Context) -> str:
    """Asks the user, as the legacy era does."""
    return f"User response: {await ctx.elicit(message, Answer)}"


@server.tool(structured_output=False)
async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Asks for a name, as the modern era does."""
    answer = (ctx.input_responses or {}).get("user_name")
    if isinstance(answer, ElicitResult) and answer.content:
        return f"Hello, {answer.content['name']}!"
    params = ElicitRequestFormParams(message="What is your name?", requested_schema=NAME)
    return InputRequiredResult(input_requests={"user_name": ElicitRequest(params=params)})


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A resource that never changes."""
    return "This is the content of the static text resource."


@server.resource("test://watched-resource", mime_type="text/plain")
def watched() -> str:
    """A resource to subscribe to."""
    return "watched"


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="answers are JSON, not SSE")
    parser.add_argument("--stateless", action="store_true", help="no sessions in the legacy era")
    options = parser.parse_args()
    app = server.streamable_http_app(json_response=options.json, stateless_http=options.stateless, max_sessions=None)
    # asyncio turns Nagle's algorithm off only on sockets that say that they are TCP, as those do that it opens itself.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(4096)
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main())
