//! Clients, replicas and a store under a seeded scheduler, with crashes between any two steps: no operation takes effect
//! twice, none is lost, and never means never. What decides is the real thing: `course`, `unanswered`, `keeper`, `table`;
//! only sockets and threads are played.
//!
//! The dispatcher is not among them, since it keeps nothing of an operation: it takes an attempt into the queue or refuses it, before
//! `course` begins and so before anything is asked of the store, and `attempt` does one after the other what `course` says, and
//! answers its verdict. What could go wrong in any order is all in `course`. The clients here try again whenever chance wants it, which is
//! more than any client would do; the real one's retries are simulated where they are, in the load (`storm`).
//!
//! A seed that fails is played again by `ERLMCP_SEED=N cargo test -p erlmcp-server --lib simulation`; `ERLMCP_SEEDS=100000` plays more
//! (CONTRIBUTING.md).

mod client;
mod replica;
mod world;

use world::World;

fn play(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..world.length() {
        world.step();
    }
    world.heal();
    world.check();
}

/// The one of `ERLMCP_SEED`, or as many as `ERLMCP_SEEDS` says.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("it is a number"));
    match number("ERLMCP_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("ERLMCP_SEEDS").unwrap_or(1_000),
    }
}

#[test]
fn no_operation_is_lost_or_done_twice() {
    for seed in seeds() {
        if std::panic::catch_unwind(|| play(seed)).is_err() {
            panic!("seed {seed} fails: ERLMCP_SEED={seed} plays it again");
        }
    }
}
