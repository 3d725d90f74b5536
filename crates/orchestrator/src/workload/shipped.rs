//! The workloads that ship.

/// Names and texts.
pub const SHIPPED: [(&str, &str); 3] = [
    ("agent", include_str!("../../../../workloads/agent.toml")),
    ("chat-fleet", include_str!("../../../../workloads/chat-fleet.toml")),
    ("notifications", include_str!("../../../../workloads/notifications.toml")),
];
