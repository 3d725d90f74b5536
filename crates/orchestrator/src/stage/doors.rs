use erlmcp_load::proto::command::Command;
use erlmcp_load::proto::{Door, Knocked};

use crate::phase::OPERATIONS_BLOCK;

/// The block of a command that is done as soon as it is told: nobody operates, moves or misbehaves here.
pub(super) fn done_at_once(command: &Command) -> Option<u32> {
    match command {
        Command::Cut(cut) if cut.block == OPERATIONS_BLOCK => Some(cut.block),
        Command::Rebalance(order) => Some(order.block),
        Command::Misbehave(order) => Some(order.block),
        _ => None,
    }
}

/// The first address answers within a millisecond, the second one refuses.
pub(super) fn knocked(block: u32, knocks: u32) -> Knocked {
    let times = |us: u64| vec![us; knocks as usize];
    let address = "127.0.0.11:8080".to_string();
    let open = Door {
        replica: 1,
        address: address.clone(),
        knocks,
        connect_us: times(400),
        answer_us: times(600),
        health_status: 200,
        metrics_status: 200,
        ..Door::default()
    };
    let shut = Door { replica: 2, address, knocks: 1, error: "refused".into(), ..Door::default() };
    Knocked { block, doors: vec![open, shut] }
}
