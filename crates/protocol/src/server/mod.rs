//! What a server of MCP reads and sends.
