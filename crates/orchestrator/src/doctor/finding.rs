use serde::Serialize;

/// What a finding means to a run, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    Ok,
    /// Worth knowing; no figure is bent by it.
    Note,
    /// It could not be found out.
    Unknown,
    /// It bends figures, or makes a verdict inconclusive.
    Warning,
    /// The run does not start, or does not come to its end.
    Stops,
}

impl Weight {
    /// The word that a list shows.
    pub fn word(self) -> &'static str {
        match self {
            Weight::Ok => "ok",
            Weight::Note => "note",
            Weight::Unknown => "unknown",
            Weight::Warning => "warning",
            Weight::Stops => "stops",
        }
    }
}

/// One thing that was looked at, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// "accept queue".
    pub topic: &'static str,
    pub weight: Weight,
    /// What was found, with its figures; no full stop.
    pub found: String,
    /// None where all is well, or nothing is known.
    #[serde(flatten)]
    pub complaint: Option<Complaint>,
}

/// What is wrong, under the name of its entry in docs/doctor.md.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Complaint {
    pub id: &'static str,
    /// What it does to a run; no full stop.
    pub effect: String,
    /// Commands, each of which mends it, or a part of it.
    pub mend: Vec<String>,
}

impl Finding {
    pub(super) fn ok(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, weight: Weight::Ok, found: found.into(), complaint: None }
    }

    pub(super) fn unknown(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, weight: Weight::Unknown, found: found.into(), complaint: None }
    }

    pub(super) fn complaint(
        (topic, id, weight): (&'static str, &'static str, Weight),
        found: impl Into<String>,
        effect: impl Into<String>,
        mend: impl IntoIterator<Item = String>,
    ) -> Self {
        let complaint = Complaint { id, effect: effect.into(), mend: mend.into_iter().collect() };
        Self { topic, weight, found: found.into(), complaint: Some(complaint) }
    }

    /// In one sentence, for those who asked for something else.
    pub(crate) fn sentence(&self) -> String {
        match &self.complaint {
            None => format!("{}: {}", self.topic, self.found),
            Some(Complaint { id, effect, .. }) => {
                format!("{}: {}; {effect} (see docs/doctor.md#{id})", self.topic, self.found)
            }
        }
    }
}

/// Every complaint about this machine; each has an entry in docs/doctor.md.
pub(super) const OF_MACHINE: &[&str] = &[
    "low-descriptors",
    "soft-descriptors",
    "low-file-max",
    "low-somaxconn",
    "low-syn-backlog",
    "few-ports",
    "many-time-waits",
    "tcp-memory",
    "conntrack-full",
    "little-memory",
    "few-cores",
    "cpu-quota",
    "few-tasks",
    "noisy-neighbours",
    "stolen-cpu",
    "slow-clock",
    "clock-steps",
    "no-firewall-permission",
    "in-container",
    "docker-not-reachable",
];

/// Every complaint about the way to a target and what it says of itself.
pub(super) const OF_TARGET: &[&str] = &[
    "name-not-found",
    "not-reachable",
    "address-down",
    "tls-refused",
    "not-http",
    "needs-credentials",
    "not-mcp",
    "not-healthy",
    "no-health-page",
    "no-metrics",
    "connection-limit",
];

/// Every complaint that a short load leads to.
pub(super) const OF_LOAD: &[&str] = &[
    "low-throughput",
    "high-latency",
    "generator-limit",
    "machine-limit",
    "target-cpu",
    "workers-busy",
    "queue-overflow",
    "network-loss",
    "long-way",
    "memory-grows",
];

/// The ids of all complaints, each of which has an entry in docs/doctor.md.
pub fn complaints() -> impl Iterator<Item = &'static str> {
    [OF_MACHINE, OF_TARGET, OF_LOAD].into_iter().flatten().copied()
}
