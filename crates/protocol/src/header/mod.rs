//! MCP's own header and `_meta` names, and how values are written in headers.

pub mod value;

/// Names as they are sent. They are compared without regard to case.
pub mod name {
    /// The protocol version, as in `_meta`.
    pub const PROTOCOL_VERSION: &str = "MCP-Protocol-Version";
    /// The JSON-RPC method.
    pub const METHOD: &str = "Mcp-Method";
    /// The tool, prompt, resource or task that the method is about.
    pub const NAME: &str = "Mcp-Name";
    /// What the name of a header for an argument begins with.
    pub const PARAM_PREFIX: &str = "Mcp-Param-";
    /// A legacy session.
    pub const SESSION_ID: &str = "Mcp-Session-Id";
    /// Where a legacy stream is to go on.
    pub const LAST_EVENT_ID: &str = "Last-Event-ID";
}

/// Keys of `_meta`.
pub mod meta {
    /// Required in each modern request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Required in each modern request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Who the server is; on results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which stream a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Asks for progress notifications.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// The trace that a request belongs to, as W3C Trace Context has it.
    pub const TRACEPARENT: &str = "traceparent";
    pub const TRACESTATE: &str = "tracestate";
    /// Asks for log messages of this level and above.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
}

/// Methods of the modern era that this project uses, and those that only the legacy era has.
pub mod method {
    /// What the server can do.
    pub const DISCOVER: &str = "server/discover";
    /// The tools.
    pub const TOOLS_LIST: &str = "tools/list";
    /// Calls a tool.
    pub const TOOLS_CALL: &str = "tools/call";
    /// Opens a stream of notifications.
    pub const LISTEN: &str = "subscriptions/listen";
    /// Opens a legacy session.
    pub const INITIALIZE: &str = "initialize";
    /// Says that a legacy session is open.
    pub const INITIALIZED: &str = "notifications/initialized";
    /// First message of a stream.
    pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
    /// The list of tools is another one.
    pub const TOOLS_LIST_CHANGED: &str = "notifications/tools/list_changed";
    /// The resources.
    pub const RESOURCES_LIST: &str = "resources/list";
    /// The templates of resources.
    pub const TEMPLATES_LIST: &str = "resources/templates/list";
    /// What is in a resource.
    pub const RESOURCES_READ: &str = "resources/read";
    /// The prompts.
    pub const PROMPTS_LIST: &str = "prompts/list";
    /// A prompt, filled in.
    pub const PROMPTS_GET: &str = "prompts/get";
    /// Proposes values of an argument.
    pub const COMPLETE: &str = "completion/complete";
    /// The list of prompts is another one.
    pub const PROMPTS_LIST_CHANGED: &str = "notifications/prompts/list_changed";
    /// The list of resources is another one.
    pub const RESOURCES_LIST_CHANGED: &str = "notifications/resources/list_changed";
    /// A resource is not what it was.
    pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
    /// How far a request is.
    pub const PROGRESS: &str = "notifications/progress";
    /// A log message.
    pub const LOG_MESSAGE: &str = "notifications/message";
    /// Legacy only: is the peer there?
    pub const PING: &str = "ping";
    /// Legacy only: how much the client wants to be told.
    pub const SET_LEVEL: &str = "logging/setLevel";
    /// Legacy only: asks to be told of changes of a resource.
    pub const SUBSCRIBE: &str = "resources/subscribe";
    /// Legacy only.
    pub const UNSUBSCRIBE: &str = "resources/unsubscribe";
    /// Asks the client's user; of the modern era inside of a result only, as are the next two.
    pub const ELICIT: &str = "elicitation/create";
    /// Asks the client's model.
    pub const SAMPLE: &str = "sampling/createMessage";
    /// Asks for the client's folders.
    pub const ROOTS_LIST: &str = "roots/list";
    /// How far a task is, and what came of it. The extension for tasks; so are the next two.
    pub const TASKS_GET: &str = "tasks/get";
    /// Answers a task's questions.
    pub const TASKS_UPDATE: &str = "tasks/update";
    /// Cancels a task.
    pub const TASKS_CANCEL: &str = "tasks/cancel";
    /// A client does not want an answer any more; over HTTP legacy only.
    pub const CANCELLED: &str = "notifications/cancelled";
}
