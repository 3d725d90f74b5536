//! The tools, resources and prompts that `peers/` and the load use, under the conformance suite's names.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::sleep;

const WATCHED: &str = "test://watched-resource";
const STATIC_TEXT: &str = "test://static-text";

#[derive(Clone, Default)]
pub struct Fixtures {
    streams: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    next: Arc<AtomicU64>,
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(map) => map,
        other => unreachable!("{other} is not an object"),
    }
}

fn tool(name: &'static str, description: &'static str, properties: Value, required: Value, read_only: bool) -> Tool {
    let schema = object(json!({"type": "object", "properties": properties, "required": required}));
    Tool::new(name, description, schema).with_annotations(ToolAnnotations::new().read_only(read_only))
}

fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text.into())])
}

fn form(message: &str, field: &str) -> ElicitRequestParams {
    let schema = json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field]});
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_string(),
        requested_schema: serde_json::from_value(schema).expect("a form's schema"),
    }
}

impl Fixtures {
    async fn progress(&self, cx: &RequestContext<RoleServer>) -> CallToolResult {
        for done in [0.0, 50.0, 100.0] {
            if let Some(token) = cx.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, done).with_total(100.0);
                // That the client has gone is not the tool's concern.
                let _ = cx.peer.notify_progress(progress).await;
            }
            sleep(Duration::from_millis(50)).await;
        }
        said("done")
    }

    /// To the streams of the modern era, and to the caller's session where it has one.
    async fn tools_changed(&self, cx: &RequestContext<RoleServer>) -> CallToolResult {
        for stream in self.streams.lock().await.values() {
            let _ = stream.notify_tool_list_changed().await;
        }
        let _ = cx.peer.notify_tool_list_changed().await;
        said("changed")
    }

    async fn resource_changed(&self, cx: &RequestContext<RoleServer>) -> CallToolResult {
        for stream in self.streams.lock().await.values() {
            let _ = stream.notify_resource_updated(WATCHED).await;
        }
        let _ = cx.peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(WATCHED)).await;
        said("changed")
    }

    async fn elicit(&self, message: &str, cx: &RequestContext<RoleServer>) -> CallToolResult {
        match cx.peer.create_elicitation(form(message, "username")).await {
            Ok(answer) => said(format!("User response: {:?} {:?}", answer.action, answer.content)),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        }
    }

    fn ask_name(&self, answers: Option<&InputResponses>) -> CallToolResponse {
        let answer = answers.and_then(|answers| answers.get("user_name"));
        let answer = answer.and_then(|answer| serde_json::to_value(answer).ok());
        match answer.as_ref().and_then(|answer| answer.pointer("/content/name")).and_then(Value::as_str) {
            Some(name) => said(format!("Hello, {name}!")).into(),
            None => {
                let mut wanted = InputRequests::new();
                let request = ElicitRequest::new(form("What is your name?", "name"));
                wanted.insert("user_name".into(), InputRequest::Elicitation(request));
                InputRequiredResult::from_input_requests(wanted).into()
            }
        }
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("rmcp", "3.11.0"))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.streams.lock().await.insert(key, context.sink().clone());
        context.cancelled().await;
        self.streams.lock().await.remove(&key);
        Ok(())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let text = json!({"type": "string"});
        let slow = json!({"seconds": {"type": "number"}, "label": text});
        let none = || (json!({}), json!([]));
        let bare = |name, description, read_only| tool(name, description, none().0, none().1, read_only);
        Ok(ListToolsResult::with_all_items(vec![
            // First, read-only, and without required arguments: the tool that a load may call unasked.
            tool("echo", "Sends the text back.", json!({"text": text}), json!([]), true),
            bare("test_tool_with_progress", "Reports 0, 50 and 100 of 100.", true),
            tool("slow_compute", "Takes its time.", slow, json!(["seconds"]), true),
            bare("test_trigger_tool_change", "Says that the list of tools changed.", false),
            bare("test_trigger_resource_change", "Says that test://watched-resource changed.", false),
            tool("test_elicitation", "Asks the user.", json!({"message": text}), json!(["message"]), false),
            bare("test_input_required_result_elicitation", "Asks for a name.", false),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
        Ok(match request.name.as_ref() {
            "echo" => said(text("text")).into(),
            "test_tool_with_progress" => self.progress(&cx).await.into(),
            "slow_compute" => {
                let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 60.0);
                tokio::select! {
                    () = sleep(Duration::from_secs_f64(seconds)) => said(format!("took {seconds} s")).into(),
                    () = cx.ct.cancelled() => said("cancelled").into(),
                }
            }
            "test_trigger_tool_change" => self.tools_changed(&cx).await.into(),
            "test_trigger_resource_change" => self.resource_changed(&cx).await.into(),
            "test_elicitation" => self.elicit(text("message"), &cx).await.into(),
            "test_input_required_result_elicitation" => self.ask_name(request.input_responses.as_ref()),
            other => return Err(ErrorData::invalid_params(format!("there is no tool {other}"), None)),
        })
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = [(STATIC_TEXT, "static-text"), (WATCHED, "watched-resource")];
        Ok(ListResourcesResult::with_all_items(resources.map(|(uri, name)| Resource::new(uri, name)).to_vec()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match request.uri.as_str() {
            uri @ (STATIC_TEXT | WATCHED) => {
                Ok(ReadResourceResult::new(vec![ResourceContents::TextResourceContents {
                    uri: uri.into(),
                    mime_type: Some("text/plain".into()),
                    text: "This is the content of the static text resource.".into(),
                    meta: None,
                }])
                .into())
            }
            uri => Err(ErrorData::resource_not_found("there is no such resource", Some(json!({"uri": uri})))),
        }
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let arguments = ["arg1", "arg2"].map(|name| PromptArgument::new(name).with_required(true)).to_vec();
        let prompt = Prompt::new("test_prompt_with_arguments", Some("Two arguments."), Some(arguments));
        Ok(ListPromptsResult::with_all_items(vec![prompt]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let given = json!(request.arguments.unwrap_or_default());
        let argument = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let text = format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2"));
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
    }
}
