// The TypeScript SDK v2 as a client: client-v2.mjs URL [--era auto|modern|legacy] [--pause]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { answers, options, run, signal } from "./steps.mjs";

const asked = options();
const mode = asked.era === "modern" ? { pin: "2026-07-28" } : asked.era;
const client = new Client(
  { name: "typescript-v2", version: "1.0.0" },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
);
client.setRequestHandler("elicitation/create", (request) => {
  const wanted = Object.keys(request.params.requestedSchema.properties);
  return { action: "accept", content: Object.fromEntries(wanted.map((key) => [key, answers[key]])) };
});
const transport = new StreamableHTTPClientTransport(new URL(asked.url));
const version = () => client.getNegotiatedProtocolVersion();

await run(
  {
    client,
    modern: () => version() >= "2026-07-28",
    call: (parameters, more) => client.callTool(parameters, more),
    listen: (filter) => client.listen(filter),
    notified(method) {
      const { fire, fired } = signal();
      client.setNotificationHandler(method, fire);
      return fired;
    },
    async connect() {
      await client.connect(transport);
      return `${version()}, ${client.getServerVersion()?.name}, session ${transport.sessionId ?? "none"}`;
    },
    async close() {
      if (transport.sessionId) await transport.terminateSession();
      await client.close();
    },
  },
  asked,
);
