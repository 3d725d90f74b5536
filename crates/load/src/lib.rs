//! The load engine: pacing, connections, recorder, ledger, and the agent around them.
