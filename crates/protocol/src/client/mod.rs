//! What a client of MCP sends and reads.
