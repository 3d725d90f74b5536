//! What the page of a run or a server shows while it goes on: rows in, messages for its script out.

use std::path::Path;

use erlmcp_record::{Entry, JournalError};
use serde_json::json;

use crate::board::{Board, table};
use crate::live::Event;
use crate::retelling::Retelling;
use crate::series::{Series, SeriesBuilder};
use crate::{render, replay};

/// A run or a server so far.
#[derive(Debug, Default)]
pub struct LivePage {
    board: Board,
    retelling: Retelling,
    builder: SeriesBuilder,
    is_server: bool,
    /// Of a run that is over or stands still, as its report has it.
    whole: Option<Series>,
    /// Why nothing more of its record can be read.
    given_up: Option<String>,
}

impl LivePage {
    /// Of a server that is looked at; without it, of a run.
    pub fn of_server(at: String) -> Self {
        let mut page = Self { is_server: true, retelling: Retelling::of_server(), ..Self::default() };
        page.board.push(&Event::Looking { at }, 0);
        page
    }

    /// True where there is something new to show.
    pub fn push(&mut self, entry: &Entry) -> bool {
        let told = self.retelling.push(entry);
        self.tell(&told);
        !told.is_empty()
    }

    /// Takes in that a record which is not over has got no row for so many seconds. True where that is news.
    pub fn silent_for(&mut self, silent_s: u64) -> bool {
        let before = self.board.stands();
        let rest = self.retelling.silent_for(silent_s);
        self.tell(&rest);
        self.board.silent_s = silent_s;
        if !self.stands_still() {
            self.whole = None;
        }
        self.board.stands() != before
    }

    /// True where nothing more is to be expected.
    pub fn stands_still(&self) -> bool {
        self.board.stands().is_some()
    }

    /// Nothing more comes of a record that can be read no further.
    pub fn give_up(&mut self, why: &JournalError) {
        self.given_up = Some(format!("the record can be read no further: {why}"));
    }

    fn tell(&mut self, told: &[(Event, u64)]) {
        for (event, at_ms) in told {
            match event {
                Event::Second(second) if self.is_server => self.builder.push_looked_at(second),
                Event::Second(second) => self.builder.push(second),
                _ => {}
            }
            self.board.push(event, *at_ms);
            self.whole = None;
        }
    }

    /// True where the run has ended.
    pub fn is_over(&self) -> bool {
        self.board.verdict.is_some()
    }

    /// Draws a run that is over, or stands still, from the whole of its record: some rows of a second come long after it.
    ///
    /// # Errors
    /// Where the record cannot be read.
    pub fn settle(&mut self, folder: &Path) -> Result<(), JournalError> {
        if self.whole.is_some() {
            return Ok(());
        }
        let mut builder = SeriesBuilder::default();
        let analysis = replay(folder, |second| builder.push(second))?;
        self.whole = Some(builder.finish(&analysis));
        Ok(())
    }

    /// One line of JSON: `title`, `state`, `step`, `table` as text, `faults` as HTML, and `series`.
    pub fn message(&self) -> String {
        let drawn = match &self.whole {
            Some(whole) => whole,
            None => &self.builder.finish(self.retelling.analysis()),
        };
        let goes_on = || if self.is_server { "looked at" } else { "goes on" }.into();
        let state = self.given_up.clone().or_else(|| self.board.stands()).unwrap_or_else(goes_on);
        json!({
            "title": self.board.target,
            "state": state,
            "step": drawn.about_points(),
            "table": table(&self.board, self.retelling.now_ms()),
            "faults": render::faults_html(drawn),
            "series": drawn,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_record::{ClusterSample, ReplicaSample};

    use super::*;
    use crate::SecondView;

    #[test]
    fn a_server_can_be_looked_at_for_longer_than_a_week() {
        let mut page = LivePage::of_server("http://x".into());
        for second in (0..700_000).step_by(20) {
            let replicas = vec![ReplicaSample { replica: 1, connections: Some(3), ..ReplicaSample::default() }];
            let at_us = u64::from(second) * 1_000_000;
            page.push(&Entry::Cluster(ClusterSample { at_us, second, replicas, ..ClusterSample::default() }));
            let kept = page.retelling.analysis().seconds.len();
            assert!(kept <= 3, "{kept} seconds are kept at {second}");
        }
        let seen = |view: &SecondView| Some((view.second, view.replicas.first()?.connections));
        assert_eq!(page.board.seconds.iter().rev().find_map(seen), Some((699_960, Some(3))));
    }
}
