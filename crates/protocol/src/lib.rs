//! MCP over HTTP/1.1 without IO: what both the server and the load engine speak.
