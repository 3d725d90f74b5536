//! `conformance-client`: what the official conformance suite wants called in each of its client scenarios, with the
//! client that agents are. How a server is met, asked and answered is that client's affair; here is only what is asked.

use std::process::ExitCode;

use anyhow::Context;
use erlmcp_load::agent::Conversation;
use erlmcp_orchestrator::{DiscoverConfig, Era};
use serde_json::{Value, json};

use crate::args::ConformanceArgs;

pub(crate) fn run(args: ConformanceArgs) -> anyhow::Result<ExitCode> {
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").context("it is started by the conformance suite")?;
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context = serde_json::from_str(&context).unwrap_or_default();
    let config =
        DiscoverConfig { url: args.url, era: Era::Auto, headers: Vec::new(), ca_pem: String::new(), insecure: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let play = move |server: &mut Conversation<'_>| play(&scenario, &context, server);
    runtime.block_on(erlmcp_orchestrator::converse(config, play))?;
    Ok(ExitCode::SUCCESS)
}

fn play(scenario: &str, context: &Value, server: &mut Conversation<'_>) -> Result<(), String> {
    match scenario {
        "initialize" => Ok(()),
        "request-metadata" | "json-schema-ref-no-deref" => server.tools().map(drop),
        "tools_call" | "sse-retry" | "sep-2322-client-request-state" | "http-invalid-tool-headers" => call_all(server),
        "elicitation-sep1034-client-defaults" => {
            server.listen()?;
            call_all(server)
        }
        "http-standard-headers" => {
            call_all(server)?;
            for resource in server.list("resources/list", "resources")? {
                server.get("resources/read", resource["uri"].as_str().unwrap_or_default())?;
            }
            for prompt in server.list("prompts/list", "prompts")? {
                server.get("prompts/get", prompt["name"].as_str().unwrap_or_default())?;
            }
            Ok(())
        }
        "http-custom-headers" => {
            for call in context["toolCalls"].as_array().into_iter().flatten() {
                call_one(server, &call["name"], &call["arguments"])?;
            }
            Ok(())
        }
        "json-schema-2020-12-preservation" => {
            let tool = listed(server, &json!("json_schema_2020_12_tool"))?;
            call_one(server, &json!("json_schema_echo"), &json!({"schema": tool["inputSchema"]}))
        }
        other => Err(format!("the scenario {other:?} is not known here: see conformance/README.md")),
    }
}

fn call_all(server: &mut Conversation<'_>) -> Result<(), String> {
    for tool in server.tools()? {
        server.call(&tool, &Conversation::arguments_for(&tool))?;
    }
    Ok(())
}

fn call_one(server: &mut Conversation<'_>, name: &Value, arguments: &Value) -> Result<(), String> {
    let tool = listed(server, name)?;
    server.call(&tool, arguments).map(drop)
}

fn listed(server: &mut Conversation<'_>, name: &Value) -> Result<Value, String> {
    let tools = server.tools()?;
    tools.into_iter().find(|tool| tool["name"] == *name).ok_or_else(|| format!("the server lists no tool {name}"))
}
