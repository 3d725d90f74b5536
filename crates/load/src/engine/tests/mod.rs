//! The engine on a simulated network, with a simulated clock.

mod any_order;
mod fates;
mod herds;
mod moving;
mod openings;
mod pace;
mod recovery;
mod renewing;
mod sessions;
mod stage;
mod stalls;
mod storms;
mod streams;
mod talks;
mod workloads;
