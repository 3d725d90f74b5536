//! One run of a case, and all of them at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::case::{Case, End, Era, Way};
use super::peer::{Answer, Came, Peer};
use super::text::{Deed, Names};

/// A machine may have other things to do; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(180);
/// Runs under way at once.
const AT_ONCE: usize = 24;

/// Whom the cases are sent to.
pub(crate) trait Target: Sync {
    fn address(&self) -> SocketAddr;
    /// A session of the older era, where a case needs one.
    fn session(&self) -> String;
    /// Where the endpoint is.
    fn path(&self) -> &str {
        "/mcp"
    }
    /// What it lets in and what it must not, and what it gave to a client, by the names that cases call them.
    fn tokens(&self) -> Arc<Vec<(&'static str, String)>> {
        Arc::default()
    }
    /// How often the tool ran with this text; none where nobody counts.
    fn calls(&self, nonce: &str) -> Option<u32>;
    /// Bodies are those of an MCP server, and not just any answer.
    fn speaks_mcp(&self) -> bool {
        true
    }
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) target: &'a dyn Target,
    pub(crate) class: u16,
    pub(crate) case: &'a Case,
    pub(crate) era: Era,
    pub(crate) way: Way,
}

impl Run<'_> {
    /// "33/many-fields modern Bytes".
    pub(crate) fn name(&self) -> String {
        format!("{}/{} {:?} {:?}", self.class, self.case.id, self.era, self.way)
    }

    fn names(&self, nonce: String) -> Names {
        let target = self.target;
        Names {
            era: self.era,
            host: target.address().to_string(),
            session: target.session(),
            nonce,
            path: target.path().to_string(),
            tokens: target.tokens(),
        }
    }

    /// Sends the case and compares what comes.
    pub(crate) fn go(&self, number: usize, second: &mut Option<Peer>) -> Result<(), String> {
        let names = self.names(format!("n{number}x"));
        let other = self.names(format!("n{number}y"));
        let mut peer = Peer::connect(self.target.address(), PATIENCE)?;
        if self.way == Way::Reused {
            peer.send(&other.good());
            self.expect_good(&mut peer, &other.nonce, "before it")?;
        }
        let mut deeds = names.deeds(&self.case.send);
        if self.way == Way::Behind {
            deeds.insert(0, Deed::Bytes(other.good()));
            if let [Deed::Bytes(first), Deed::Bytes(next), ..] = &mut deeds[..] {
                first.append(next);
                deeds.remove(1);
            }
        }
        let mut came = Vec::new();
        let mut skip_good = self.way == Way::Behind;
        for deed in &deeds {
            match deed {
                Deed::Bytes(bytes) if self.way == Way::Bytes => peer.send_singly(bytes),
                Deed::Bytes(bytes) => peer.send(bytes),
                Deed::SleepMs(ms) => std::thread::sleep(Duration::from_millis(*ms)),
                Deed::Await(count) => {
                    peer.wait_for(PATIENCE);
                    if std::mem::take(&mut skip_good) {
                        self.expect_good(&mut peer, &other.nonce, "in front of it")?;
                    }
                    for _ in 0..*count {
                        came.push(self.answer(&mut peer)?);
                    }
                }
                Deed::End(end) => peer.end(*end),
            }
        }
        self.second_connection(second, &self.names(format!("n{number}z")))?;
        if deeds.contains(&Deed::End(End::Rst)) {
            drop(peer);
            return self.count_calls(&names.nonce);
        }
        peer.wait_for(Duration::from_millis(self.case.within_ms));
        if skip_good {
            self.expect_good(&mut peer, &other.nonce, "in front of it")?;
        }
        self.compare(&mut peer, came, deeds.contains(&Deed::End(End::Fin)), &names)?;
        self.count_calls(&names.nonce)
    }

    fn answer(&self, peer: &mut Peer) -> Result<Answer, String> {
        match peer.next(self.case.bodiless)? {
            Came::Answer(answer) => Ok(answer),
            Came::End => Err("the connection ended where an answer was due".to_string()),
        }
    }

    fn compare(&self, peer: &mut Peer, came: Vec<Answer>, finished: bool, names: &Names) -> Result<(), String> {
        let mut early = came.into_iter();
        let mut last = None;
        let mut ended = false;
        for expected in &self.case.answers {
            let next = match early.next() {
                Some(answer) => Came::Answer(answer),
                None => peer.next(self.case.bodiless)?,
            };
            ended = self.agrees(expected, &next)?;
            if let Came::Answer(answer) = next {
                last = Some(answer);
            }
        }
        if let Some(answer) = &last {
            self.check_last(answer)?;
        }
        if ended || finished {
            let rest = peer.rest()?;
            return if rest.is_empty() { Ok(()) } else { Err(format!("more came than was asked for: {rest:?}")) };
        }
        peer.wait_for(PATIENCE);
        let after = Names { nonce: format!("{}after", names.nonce), ..names.clone() };
        peer.send(&after.good());
        self.expect_good(peer, &after.nonce, "after it")
    }

    /// True where the connection must end now.
    fn agrees(&self, expected: &str, came: &Came) -> Result<bool, String> {
        for choice in expected.split('|') {
            let (status, closes) = choice.strip_suffix('!').map_or((choice, false), |status| (status, true));
            match came {
                Came::End if choice == "close" => return Ok(true),
                Came::Answer(answer) if status.parse() == Ok(answer.status) && closes == answer.closes() => {
                    for text in &self.case.lacks {
                        if answer.head.contains(text) || answer.body.contains(text) {
                            return Err(format!("the answer has {text:?}: {}{}", answer.head, answer.body));
                        }
                    }
                    let tokens = self.target.tokens();
                    if tokens.iter().any(|(_, token)| answer.head.contains(token) || answer.body.contains(token)) {
                        return Err(format!("the answer tells a token: {}{}", answer.head, answer.body));
                    }
                    return self.has_body_of_its_kind(answer).map(|()| closes);
                }
                _ => {}
            }
        }
        Err(format!("expected {expected}, but got {came:?}"))
    }

    /// Clients of both eras take a refusal without a JSON-RPC error for a server of another age.
    fn has_body_of_its_kind(&self, answer: &Answer) -> Result<(), String> {
        if answer.status < 400 || self.case.bodiless || !self.target.speaks_mcp() {
            return Ok(());
        }
        let json: serde_json::Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        let is_error = json["jsonrpc"] == "2.0" && json["error"]["code"].is_i64();
        if is_error { Ok(()) } else { Err(format!("no JSON-RPC error: {}", answer.body)) }
    }

    fn check_last(&self, answer: &Answer) -> Result<(), String> {
        if !self.target.speaks_mcp() {
            return Ok(());
        }
        let code = serde_json::from_str(&answer.body).map(|json: serde_json::Value| json["error"]["code"].as_i64());
        let wanted = if self.era == Era::Legacy { self.case.legacy_code } else { None }.or(self.case.code);
        if wanted.is_some() && code.ok().flatten() != wanted {
            return Err(format!("expected the error {wanted:?}: {}", answer.body));
        }
        match self.case.has.iter().find(|text| !answer.head.contains(*text) && !answer.body.contains(*text)) {
            Some(text) => Err(format!("{text:?} is not in the answer: {}{}", answer.head, answer.body)),
            None => Ok(()),
        }
    }

    fn expect_good(&self, peer: &mut Peer, nonce: &str, when: &str) -> Result<(), String> {
        match peer.next(false).map_err(|error| format!("the good request {when}: {error}"))? {
            Came::Answer(answer)
                if answer.status == 200 && (!self.target.speaks_mcp() || answer.body.contains(nonce)) =>
            {
                Ok(())
            }
            came => Err(format!("the good request {when} got {came:?}")),
        }
    }

    /// Others are served meanwhile.
    fn second_connection(&self, second: &mut Option<Peer>, names: &Names) -> Result<(), String> {
        // One of before may have been closed meanwhile where idle ones are.
        let kept = second.take().filter(|_| !self.case.limits.contains_key("idle_timeout_ms"));
        let mut peer = match kept {
            Some(peer) => peer,
            None => Peer::connect(self.target.address(), PATIENCE)?,
        };
        peer.wait_for(PATIENCE);
        peer.send(&names.good());
        self.expect_good(&mut peer, &names.nonce, "on another connection")?;
        *second = Some(peer);
        Ok(())
    }

    fn count_calls(&self, nonce: &str) -> Result<(), String> {
        match self.target.calls(nonce) {
            Some(calls) if calls != self.case.calls => {
                Err(format!("the tool ran {calls} times, not {}", self.case.calls))
            }
            _ => Ok(()),
        }
    }
}

/// Makes all runs, many at once; what went wrong, with the number of the run.
pub(crate) fn run_all(runs: &[Run<'_>]) -> Vec<(usize, String)> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut second = None;
                let mut at = None;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(number) else { return };
                    if at.replace(run.target.address()) != Some(run.target.address()) {
                        second = None;
                    }
                    if let Err(error) = run.go(number, &mut second) {
                        wrong.lock().expect("no run panics").push((number, error));
                        second = None;
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("no run panics");
    wrong.sort();
    wrong
}
