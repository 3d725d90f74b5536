//! The erlmcp command: arguments, wiring, exit codes.
fn main() {}
