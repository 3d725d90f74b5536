use std::collections::BTreeSet;

use crate::fault::mix;
use crate::world::World;

/// The replica to break: drawn by the seed among those of these that are members and have connections.
pub(super) fn draw(world: &World, among: &[u16], (seed, id): (u64, u32)) -> Option<u16> {
    let mut candidates = BTreeSet::new();
    for agent in &world.agents {
        candidates.extend(agent.by_replica.iter().filter(|(_, open)| *open > 0).map(|(replica, _)| *replica));
    }
    let is_there = |replica: &u16| among.contains(replica) && !world.down.contains_key(replica);
    let members: Vec<u16> = candidates.into_iter().filter(is_there).collect();
    let drawn = mix(seed ^ u64::from(id)) % members.len().max(1) as u64;
    members.get(drawn as usize).copied()
}
