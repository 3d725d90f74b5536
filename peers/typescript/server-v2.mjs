// The TypeScript SDK v2 as a server: modern, and legacy without sessions. server-v2.mjs [--port N] [--json]
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer, acceptedContent, createMcpHandler, inputRequired } from "@modelcontextprotocol/server";

import { given, register, serve } from "./fixtures.mjs";

const hooks = {
  progressToken: (context) => context.mcpReq._meta?.progressToken,
  notify: (context, notification) => context.mcpReq.notify(notification),
  signal: (context) => context.mcpReq.signal,
  toolsChanged: () => handler.notify.toolsChanged(),
  resourceUpdated: (_, uri) => handler.notify.resourceUpdated(uri),
  promptArguments: (z) => z.object({ arg1: z.string(), arg2: z.string() }),
  more(tool, said, nothing) {
    const requestedSchema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
    tool("test_input_required_result_elicitation", "Asks for a name.", nothing, (_, context) => {
      const answer = acceptedContent(context.mcpReq.inputResponses, "user_name");
      if (answer) return said(`Hello, ${answer.name}!`);
      const user_name = inputRequired.elicit({ message: "What is your name?", requestedSchema });
      return inputRequired({ inputRequests: { user_name } });
    });
  },
};

function create() {
  const server = new McpServer(
    { name: "typescript-v2", version: "2.4.0" },
    { capabilities: { tools: { listChanged: true }, resources: { subscribe: true } } },
  );
  register(server, hooks);
  return server;
}

const handler = createMcpHandler(create, given("--json") ? { responseMode: "json" } : {});
serve(toNodeHandler(handler));
