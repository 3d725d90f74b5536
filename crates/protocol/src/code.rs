//! Error codes: JSON-RPC's, the specification's, and our own, which lie outside the range reserved for the others.

/// The body is not JSON.
pub const PARSE_ERROR: i64 = -32_700;
/// JSON, but not one JSON-RPC message of the kind that is allowed here.
pub const INVALID_REQUEST: i64 = -32_600;
/// The method is unknown, or its capability is not advertised.
pub const METHOD_NOT_FOUND: i64 = -32_601;
/// Bad parameters; an unknown tool; missing `_meta` fields.
pub const INVALID_PARAMS: i64 = -32_602;
/// The server failed.
pub const INTERNAL: i64 = -32_603;
/// There is no such resource; in 2026-07-28 that is [`INVALID_PARAMS`].
pub const NO_RESOURCE: i64 = -32_002;
/// A header differs from the body, or a required one is missing or malformed.
pub const HEADER_MISMATCH: i64 = -32_020;
/// The client lacks a capability that the request needs.
pub const MISSING_CAPABILITY: i64 = -32_021;
/// The protocol version is not served.
pub const UNSUPPORTED_VERSION: i64 = -32_022;
/// Ours: refused under load, not executed.
pub const OVERLOADED: i64 = 53_003;
/// Ours: the time for a call is over.
pub const DEADLINE: i64 = 53_004;
/// Ours: an operation that runs right now.
pub const OPERATION_RUNS: i64 = 53_009;
/// Ours: an operation that is settled without a result.
pub const OPERATION_SETTLED: i64 = 53_010;
/// Ours: an operation whose id was used for something else.
pub const OPERATION_MISMATCH: i64 = 53_022;
/// Ours: a quota is used up.
pub const QUOTA: i64 = 53_029;
/// Ours: the server drains, ask another one.
pub const DRAINING: i64 = 53_030;
