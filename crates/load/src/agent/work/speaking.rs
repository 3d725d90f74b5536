//! What is called and in which era, and knocks at the target's addresses.

use erlmcp_protocol::era::{Era, Version};

use super::super::reach::{self, Trouble};
use super::super::target::{Eras, Spoken, Target};
use super::Work;
use crate::proto;

impl Work {
    /// Calls these from here on, in the era that they are of. Where that cannot be, it gives the reason, and the run's
    /// own era stays.
    pub(in crate::agent) async fn take_requests(&mut self, requests: proto::Requests) -> String {
        let era = requests.era.clone();
        self.requests = requests;
        self.find_out().await;
        self.speak(&era).await.err().map(|trouble| trouble.to_string()).unwrap_or_default()
    }

    /// Speaks this era; the one without a name is the run's own.
    async fn speak(&mut self, era: &str) -> Result<(), Trouble> {
        if let Some(usual) = self.usual.take()
            && let Some(other) = self.spoken.replace(usual)
        {
            self.end(other).await;
        }
        let wanted = match era {
            "" => return Ok(()),
            "legacy" => Era::Legacy,
            _ => Era::Modern,
        };
        if self.spoken.as_ref().is_some_and(|spoken| spoken.version.era() == wanted) {
            return Ok(());
        }
        let spoken = self.waiting(move |target, first| meet(target, first, wanted)).await?;
        self.usual = self.spoken.replace(spoken);
        Ok(())
    }

    /// Ends the session of one that is not spoken any more, if there is one.
    pub(super) async fn end(&self, spoken: Spoken) {
        if spoken.session.is_some() {
            let target = self.target.clone();
            let _ = tokio::task::spawn_blocking(move || reach::farewell(&target, &spoken)).await;
        }
    }

    /// Knocks at each address of the target.
    pub(in crate::agent) async fn knock(&mut self, knocks: u32) -> Vec<proto::Door> {
        self.find_out().await;
        let (target, spoken) = (self.target.clone(), self.speaks());
        let mut latest = spoken.clone();
        let knocked = tokio::task::spawn_blocking(move || (reach::knock(&target, &mut latest, knocks), latest));
        let Ok((doors, latest)) = knocked.await else { return Vec::new() };
        self.take_over(&spoken, latest);
        doors
    }
}

/// Finds out that the target speaks this era.
fn meet(target: &Target, first: usize, era: Era) -> Result<Spoken, Trouble> {
    match era {
        Era::Legacy => reach::open_session(target, first),
        Era::Modern => {
            let modern = Target { eras: Eras::Modern, ..target.clone() };
            reach::reach(&modern, first).map(|_| Spoken { version: Version::NEWEST, session: None })
        }
    }
}
