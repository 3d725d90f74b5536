// The TypeScript SDK v1 (legacy era) as a server: server-v1.mjs [--port N] [--json] [--stateless]
import { randomUUID } from "node:crypto";

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { given, register, serve } from "./fixtures.mjs";

const hooks = {
  progressToken: (context) => context._meta?.progressToken,
  notify: (context, notification) => context.sendNotification(notification),
  signal: (context) => context.signal,
  toolsChanged: (server) => server.server.sendToolListChanged(),
  resourceUpdated: (server, uri) => server.server.sendResourceUpdated({ uri }),
  promptArguments: (z) => ({ arg1: z.string(), arg2: z.string() }),
};

function create() {
  const server = new McpServer(
    { name: "typescript-v1", version: "1.32.2" },
    { capabilities: { tools: { listChanged: true }, resources: { subscribe: true } } },
  );
  const more = (tool, said, _, z) =>
    tool("test_elicitation", "Asks the user.", { inputSchema: z.object({ message: z.string() }) }, async ({ message }) => {
      const requestedSchema = { type: "object", properties: { username: { type: "string" } }, required: ["username"] };
      return said(`User response: ${JSON.stringify(await server.server.elicitInput({ message, requestedSchema }))}`);
    });
  register(server, { ...hooks, more });
  server.server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
  return server;
}

const sessions = new Map();

async function opened() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: given("--stateless") ? undefined : randomUUID,
    enableJsonResponse: given("--json"),
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await create().connect(transport);
  return transport;
}

serve(async (request, response) => {
  const id = request.headers["mcp-session-id"];
  if (id && !sessions.has(id)) {
    response.writeHead(404, { "content-type": "application/json" });
    response.end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
    return;
  }
  await (id ? sessions.get(id) : await opened()).handleRequest(request, response);
});
