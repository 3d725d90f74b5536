// What the servers of both SDKs offer: the names that peers/ and the load use. register(server, hooks) works for the
// McpServer of either; hooks says what the two do differently.
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";

const READ_ONLY = { readOnlyHint: true };
const said = (text) => ({ content: [{ type: "text", text }] });

export function register(server, hooks) {
  const tool = (name, description, config, work) => server.registerTool(name, { description, ...config }, work);
  // First, read-only, and without required arguments: the tool that a load may call unasked.
  const echo = { inputSchema: z.object({ text: z.string().default("hello") }), annotations: READ_ONLY };
  tool("echo", "Sends the text back.", echo, ({ text }) => said(text));

  const nothing = { inputSchema: z.object({}) };
  tool("test_tool_with_progress", "Reports 0, 50 and 100 of 100.", { ...nothing, annotations: READ_ONLY }, async (_, context) => {
    const token = hooks.progressToken(context);
    for (const progress of [0, 50, 100]) {
      const params = { progressToken: token, progress, total: 100 };
      if (token !== undefined) await hooks.notify(context, { method: "notifications/progress", params });
      await pause(50);
    }
    return said("done");
  });

  const slow = { inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }), annotations: READ_ONLY };
  tool("slow_compute", "Takes its time.", slow, async ({ seconds, label }, context) => {
    await pause(seconds * 1000, undefined, { signal: hooks.signal(context) });
    return said(`${label} took ${seconds} s`);
  });

  tool("test_trigger_tool_change", "Says that the list of tools changed.", nothing, async () => {
    await hooks.toolsChanged(server);
    return said("changed");
  });
  tool("test_trigger_resource_change", "Says that test://watched-resource changed.", nothing, async () => {
    await hooks.resourceUpdated(server, "test://watched-resource");
    return said("changed");
  });
  hooks.more?.(tool, said, nothing, z);

  for (const name of ["static-text", "watched-resource"]) {
    const uri = `test://${name}`;
    const text = name === "static-text" ? "This is the content of the static text resource." : "watched";
    server.registerResource(name, uri, { mimeType: "text/plain" }, () => ({ contents: [{ uri, mimeType: "text/plain", text }] }));
  }
  const argsSchema = hooks.promptArguments(z);
  server.registerPrompt("test_prompt_with_arguments", { description: "Two arguments.", argsSchema }, ({ arg1, arg2 }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` } }],
  }));
}

export const given = (flag) => process.argv.includes(flag);

export function serve(handle) {
  const at = process.argv.indexOf("--port");
  const listener = createServer(handle);
  // The default of 5 s ends idle connections of a load with few requests.
  listener.keepAliveTimeout = 60_000;
  listener.listen({ host: "127.0.0.1", port: at > 0 ? Number(process.argv[at + 1]) : 0, backlog: 4096 }, () =>
    console.log(`listening on 127.0.0.1:${listener.address().port}`),
  );
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
}
