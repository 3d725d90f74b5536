//! Replicas lost and their connections taken elsewhere.

use erlmcp_record::EpisodeRow;

/// Incidents remembered at once, at most: of too many the oldest is forgotten.
const KEPT_MAX: usize = 512;

/// How often the connections of one incident were served again; an episode once its replica was found to be down.
#[derive(Debug)]
struct Incident {
    id: u32,
    served: u64,
    last_served_us: Option<u64>,
    row: Option<EpisodeRow>,
    changed: bool,
}

/// A replica that was given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) incident: u32,
    pub(crate) agent: u32,
    pub(crate) phase: u8,
    pub(crate) replica: u16,
    pub(crate) detected_us: u64,
    pub(crate) how: &'static str,
    pub(crate) affected: u64,
}

/// All incidents that connections may still belong to.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    kept: Vec<Incident>,
    last_id: u32,
}

impl Episodes {
    /// The number that the next incident would have.
    pub(crate) fn next_id(&self) -> u32 {
        self.last_id + 1
    }

    /// Remembers the incident with this number, if it is a new one.
    pub(crate) fn note(&mut self, id: u32) {
        if id <= self.last_id {
            return;
        }
        self.last_id = id;
        if self.kept.len() == KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push(Incident { id, served: 0, last_served_us: None, row: None, changed: false });
    }

    /// The replica of this incident is lost: an episode, or one that more connections belong to than was known.
    /// Nothing is told of one that affected no connection.
    pub(crate) fn down(&mut self, loss: Loss) {
        let Some(incident) = self.kept.iter_mut().find(|incident| incident.id == loss.incident) else { return };
        if loss.affected == 0 {
            return;
        }
        incident.changed = true;
        if let Some(row) = &mut incident.row {
            row.affected = loss.affected;
            return;
        }
        incident.row = Some(EpisodeRow {
            agent: loss.agent,
            phase: loss.phase,
            episode: loss.incident,
            replica: loss.replica,
            detected_us: loss.detected_us,
            how: loss.how.to_string(),
            affected: loss.affected,
            served_again: incident.served,
            last_served_us: incident.last_served_us,
        });
    }

    /// One connection of the incident has had an answer again. True where it was the last one.
    pub(crate) fn served(&mut self, id: u32, now_us: u64) -> bool {
        let Some(incident) = self.kept.iter_mut().find(|incident| incident.id == id) else { return false };
        incident.served += 1;
        incident.last_served_us = Some(now_us);
        let Some(row) = &mut incident.row else { return false };
        incident.changed = true;
        row.served_again = incident.served;
        row.last_served_us = incident.last_served_us;
        row.served_again == row.affected
    }

    /// Every connection of the incident is served again; so it is with one that is forgotten.
    pub(crate) fn is_over(&self, id: u32) -> bool {
        let incident = self.kept.iter().find(|incident| incident.id == id);
        incident.is_none_or(|incident| incident.row.as_ref().is_none_or(|row| row.served_again >= row.affected))
    }

    /// The episodes that have changed since the last time.
    pub(crate) fn take_rows(&mut self) -> Vec<EpisodeRow> {
        let told =
            |incident: &mut Incident| std::mem::take(&mut incident.changed).then(|| incident.row.clone()).flatten();
        self.kept.iter_mut().filter_map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(incident: u32, affected: u64) -> Loss {
        Loss { incident, agent: 1, phase: 4, replica: 2, detected_us: 1_000, how: "reset", affected }
    }

    #[test]
    fn those_served_before_the_replica_was_given_up_count() {
        let mut episodes = Episodes::default();
        let id = episodes.next_id();
        episodes.note(id);
        episodes.note(id);
        assert!(!episodes.served(id, 900));
        assert_eq!(episodes.take_rows(), []);
        episodes.down(loss(id, 2));
        assert_eq!(episodes.take_rows()[0].served_again, 1);
        assert_eq!(episodes.take_rows(), [], "nothing new");
        assert!(episodes.served(id, 1_500), "the last one");
        let row = episodes.take_rows().remove(0);
        assert_eq!((row.episode, row.affected, row.served_again, row.last_served_us), (id, 2, 2, Some(1_500)));
    }

    #[test]
    fn an_address_without_connections_is_no_episode() {
        let mut episodes = Episodes::default();
        episodes.note(1);
        episodes.down(loss(1, 0));
        assert_eq!(episodes.take_rows(), []);
        assert!(!episodes.served(9, 1), "an unknown incident");
    }

    #[test]
    fn incidents_are_bounded() {
        let mut episodes = Episodes::default();
        for id in 1..2_000 {
            episodes.note(id);
        }
        assert_eq!(episodes.kept.len(), KEPT_MAX);
    }
}
