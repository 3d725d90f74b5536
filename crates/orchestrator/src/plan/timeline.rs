use std::time::Duration;

use super::Plan;

/// One line of the timeline that is shown before a run starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    pub phase: u8,
    pub title: String,
    pub about: String,
    /// From the first phase's start.
    pub starts: Duration,
    pub lasts: Duration,
    /// Why it will not be run; None where it will.
    pub skip: Option<String>,
}

impl Plan {
    /// When each phase is planned to start and how long to last.
    pub fn timeline(&self) -> Vec<TimelineRow> {
        let mut starts = Duration::ZERO;
        let mut rows = Vec::new();
        for phase in &self.phases {
            let lasts = phase.estimate();
            rows.push(TimelineRow {
                phase: phase.number,
                title: phase.title.clone(),
                about: phase.about.clone(),
                starts,
                lasts,
                skip: phase.skip.clone(),
            });
            starts += lasts;
        }
        rows
    }
}
