// What every foreign client does against a URL, one printed line a step. A peer gives: connect() -> said, client,
// call(parameters, options), modern(), and listen(filter) where it has subscriptions/listen.
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const TIMEOUT_MS = 20_000;

class Absent extends Error {}

function need(offered, name) {
  if (!offered.includes(name)) throw new Absent(`the server does not offer ${name}`);
}

function check(condition, complaint) {
  if (!condition) throw new Error(complaint);
}

export function options() {
  const given = process.argv.slice(2);
  const era = given.includes("--era") ? given[given.indexOf("--era") + 1] : "auto";
  const url = given.find((one) => one.startsWith("http"));
  if (!url || !["auto", "modern", "legacy"].includes(era)) {
    console.error("usage: client URL [--era auto|modern|legacy] [--pause]");
    process.exit(2);
  }
  return { url, era, pause: given.includes("--pause") };
}

// One event that may come before or after it is waited for.
export function signal() {
  let fire;
  const fired = new Promise((resolve) => (fire = resolve));
  return { fire, fired };
}

export const answers = { name: "Ada", username: "ada", email: "ada@example.com" };

// "fetch failed" alone says nothing.
const causes = (why) => (why?.cause ? `${why}: ${causes(why.cause)}` : `${why}`).split("\n")[0];

const text = (result) => result.content?.[0]?.text;

async function within(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  });
  return Promise.race([work(), late]).finally(() => clearTimeout(timer));
}

export async function run(peer, asked) {
  let bad = 0;
  const step = async (name, work) => {
    const began = performance.now();
    let word = "ok";
    let said;
    try {
      said = await within(work);
    } catch (why) {
      word = why instanceof Absent ? "ABSENT" : "FAIL";
      said = why instanceof Absent ? why.message : causes(why);
      bad += 1;
    }
    const took = Math.round(performance.now() - began).toString().padStart(6);
    console.log(`${word.padEnd(6)} ${name.padEnd(10)} ${took} ms  ${`${said ?? ""}`.split("\n")[0]}`);
    return word !== "FAIL";
  };

  const { client } = peer;
  let tools = [];
  const steps = {
    async list() {
      tools = (await client.listTools()).tools.map((tool) => tool.name);
      check(tools.length > 0, "no tools");
      return `${tools.length} tools`;
    },
    async call() {
      const echo = tools.includes("echo");
      const name = echo ? "echo" : "test_simple_text";
      need(tools, name);
      const result = await peer.call({ name, arguments: echo ? { text: "hello" } : {} });
      check(!result.isError && text(result), JSON.stringify(result));
      return `${name}: ${text(result)}`;
    },
    async progress() {
      need(tools, "test_tool_with_progress");
      const seen = [];
      const onprogress = ({ progress, total }) => seen.push(`${progress}/${total}`);
      await peer.call({ name: "test_tool_with_progress", arguments: {} }, { onprogress });
      check(seen.join() === "0/100,50/100,100/100", `progress was ${seen}`);
      return seen.join(" ");
    },
    async read() {
      const { resources } = await client.listResources();
      need(resources.map((resource) => resource.uri), "test://static-text");
      const { contents } = await client.readResource({ uri: "test://static-text" });
      check(contents[0]?.text, "no text");
      return contents[0].text;
    },
    async prompt() {
      const { prompts } = await client.listPrompts();
      need(prompts.map((prompt) => prompt.name), "test_prompt_with_arguments");
      const given = { name: "test_prompt_with_arguments", arguments: { arg1: "one", arg2: "two" } };
      const said = (await client.getPrompt(given)).messages[0].content.text;
      check(said.includes("one") && said.includes("two"), said);
      return said;
    },
    async listen() {
      need(tools, "test_trigger_tool_change");
      const changed = peer.notified("notifications/tools/list_changed");
      const stream = peer.modern() ? await peer.listen({ toolsListChanged: true }) : undefined;
      await peer.call({ name: "test_trigger_tool_change", arguments: {} });
      await changed;
      await stream?.close();
      return `notifications/tools/list_changed on ${stream ? JSON.stringify(stream.honoredFilter) : "the GET stream"}`;
    },
    async subscribe() {
      need(tools, "test_trigger_resource_change");
      const uri = "test://watched-resource";
      const updated = peer.notified("notifications/resources/updated");
      const stream = peer.modern() ? await peer.listen({ resourceSubscriptions: [uri] }) : undefined;
      if (!stream) {
        if (!client.getServerCapabilities()?.resources?.subscribe) throw new Absent("resources.subscribe is not declared");
        await client.subscribeResource({ uri });
      }
      await peer.call({ name: "test_trigger_resource_change", arguments: {} });
      check((await updated).params.uri === uri, "another resource was named");
      await (stream ? stream.close() : client.unsubscribeResource({ uri }));
      return "notifications/resources/updated";
    },
    async elicit() {
      const name = peer.modern() ? "test_input_required_result_elicitation" : "test_elicitation";
      need(tools, name);
      const result = await peer.call({ name, arguments: peer.modern() ? {} : { message: "Who?" } });
      check(!result.isError && /ada/i.test(text(result)), JSON.stringify(result));
      return text(result);
    },
    async cancel() {
      need(tools, "slow_compute");
      const abort = new AbortController();
      const given = { name: "slow_compute", arguments: { seconds: 15, label: "cancelled" } };
      const calling = peer.call(given, { signal: abort.signal }).then(() => "a result", (why) => why);
      const first = await Promise.race([calling, pause(500, "still running")]);
      check(first === "still running", `the call ended by itself: ${first}`);
      abort.abort("the user changed their mind");
      const end = await Promise.race([calling, pause(5_000, undefined)]);
      check(end !== undefined && end !== "a result", `after the cancellation: ${end ?? "nothing for 5 s"}`);
      return `and the next call works: ${await steps.call()}`;
    },
  };

  // A client of the older era opens its lost GET stream again in its own time; until then it hears nothing.
  async function listenAgain() {
    if (peer.modern()) return steps.listen();
    const changed = peer.notified("notifications/tools/list_changed");
    for (let attempt = 1; attempt < TIMEOUT_MS / 1_000; attempt += 1) {
      await peer.call({ name: "test_trigger_tool_change", arguments: {} });
      const heard = changed.then(() => true);
      if (await Promise.race([heard, pause(1_000, false)])) return `notifications/tools/list_changed, at attempt ${attempt}`;
    }
    throw new Error("no change was heard of");
  }

  if (await step("connect", peer.connect)) {
    for (const [name, work] of Object.entries(steps)) await step(name, work);
    if (asked.pause) {
      console.log("PAUSE");
      const lines = createInterface({ input: process.stdin });
      await new Promise((resolve) => lines.once("line", resolve).once("close", resolve));
      for (const work of [steps.list, steps.call, listenAgain]) await step("again", work);
    }
    await step("close", peer.close);
  }
  process.exit(bad ? 1 : 0);
}
