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
    /// Legacy only: is the peer there?
    pub const PING: &str = "ping";
}
