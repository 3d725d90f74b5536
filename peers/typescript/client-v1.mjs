// The TypeScript SDK v1 (legacy era only) as a client: client-v1.mjs URL [--pause]
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { answers, options, run, signal } from "./steps.mjs";

const asked = options();
if (asked.era === "modern") {
  console.error("the TypeScript SDK v1 does not speak the modern era");
  process.exit(2);
}
const schemas = {
  "notifications/resources/updated": ResourceUpdatedNotificationSchema,
  "notifications/tools/list_changed": ToolListChangedNotificationSchema,
};
const client = new Client({ name: "typescript-v1", version: "1.0.0" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: answers }));
const transport = new StreamableHTTPClientTransport(new URL(asked.url));

await run(
  {
    client,
    modern: () => false,
    call: (parameters, more) => client.callTool(parameters, CallToolResultSchema, more),
    notified(method) {
      const { fire, fired } = signal();
      client.setNotificationHandler(schemas[method], fire);
      return fired;
    },
    async connect() {
      await client.connect(transport);
      return `${transport.protocolVersion}, ${client.getServerVersion().name}, session ${transport.sessionId ?? "none"}`;
    },
    async close() {
      if (transport.sessionId) await transport.terminateSession();
      await client.close();
    },
  },
  asked,
);
