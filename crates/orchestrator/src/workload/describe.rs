//! A workload in a few lines, for whoever reads the plan, and as the record has it.

use erlmcp_record::{ClassRow, WorkloadRow};
use erlmcp_report::plural;

use super::Workload;
use crate::config::StressConfig;

/// Classes that are named in the plan; the rest is summed up.
const NAMED_MAX: usize = 8;

impl Workload {
    /// Beside so many connections.
    pub(crate) fn row(&self, connections: u64) -> WorkloadRow {
        let class = |(class, share): (&super::Class, f64)| ClassRow {
            name: class.name.clone(),
            share,
            limits: class.expected.iter().map(|expected| expected.0.clone()).collect(),
        };
        WorkloadRow {
            name: self.name.clone(),
            classes: self.classes.iter().zip(self.shares()).map(class).collect(),
            misbehaving: self.misbehaving_clients(connections),
        }
    }

    /// What the plan says of it.
    pub(crate) fn lines(&self, config: &StressConfig) -> Vec<String> {
        let about = if self.about.is_empty() { String::new() } else { format!(": {}", self.about) };
        let mut lines = vec![format!("Workload {}{about}", self.name)];
        let (rate, steps) = (config.rate(), self.mean_steps());
        let cycle = self.mean_cycle().as_secs_f64();
        if cycle > 0.0 || steps > 1.0 {
            let kinds =
                plural(self.sessions.len() as u64, "kind of session").replace("kind of sessions", "kinds of session");
            let every = config.connections() as f64 * steps / rate;
            lines.push(format!(
                "  {kinds}, {steps:.1} requests in {cycle:.1} s each; every client begins one every {every:.1} s"
            ));
        }
        let mut expected: Vec<(f64, &str)> = self
            .shares()
            .into_iter()
            .zip(&self.classes)
            .map(|(share, class)| (share * rate, class.name.as_str()))
            .collect();
        expected.sort_by(|one, other| other.0.total_cmp(&one.0));
        let rest = expected.split_off(expected.len().min(NAMED_MAX));
        let mut named: Vec<String> = expected.iter().map(|(rate, name)| format!("{name} {rate:.1}")).collect();
        if !rest.is_empty() {
            named.push(format!("{} more {:.1}", rest.len(), rest.iter().map(|(rate, _)| rate).sum::<f64>()));
        }
        lines.push(format!("  requests a second expected: {}", named.join(", ")));
        let misbehaving = self.misbehaving_clients(config.connections());
        if !misbehaving.is_empty() {
            let named: Vec<String> = misbehaving.iter().map(|one| format!("{} {}", one.clients, one.way)).collect();
            let named = named.join(", ");
            lines.push(format!("  misbehaving clients beside them, counted nowhere else: {named}"));
        }
        if config.streams > 0 {
            lines.push(format!("  {} of notifications beside them", plural(config.streams, "stream")));
        }
        lines
    }
}
