/// What is known of the target when the plan is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The run starts and stops the cluster itself.
    pub own_cluster: bool,
    /// Target and generator share a machine.
    pub colocated: bool,
    /// Addresses that answer: at least 1.
    pub replicas: u16,
    /// Why no replica can be killed; None where one can.
    pub no_kill: Option<String>,
    /// Why no replica can be cut off; None where one can.
    pub no_partition: Option<String>,
    /// What may be called to fill the queue, or why nothing may.
    pub queue: Result<QueueFacts, String>,
}

/// A queued tool of the target and the size of what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFacts {
    /// Workers of all replicas.
    pub workers: u64,
    /// Places in the queues of all replicas.
    pub places: u64,
}
