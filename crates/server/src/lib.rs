//! The MCP server engine and the supervised cluster of it.
