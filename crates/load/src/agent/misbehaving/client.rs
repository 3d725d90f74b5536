//! One misbehaving client: it does its deed, waits, and does it again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_protocol::client::answer::{Answer, Progress, Said};
use erlmcp_protocol::client::head::header;
use erlmcp_protocol::header::name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::counts::Met;
use super::texts::ID;
use super::{Group, Misbehaving};
use crate::misbehaviour::Misbehaviour;
use crate::net::byte_stream::ByteStream;
use crate::random::Random;

/// Between two calls whose answers are not read.
const CALL_EVERY: Duration = Duration::from_millis(100);
/// What its kernel takes for a client that does not read, bytes: little, so that the target soon feels it.
const UNREAD: u32 = 4_096;
const READ_BUFFER: usize = 1_024;
/// A call is abandoned so long after it was sent: the target has most likely begun it.
const ABANDONED_AFTER: Duration = Duration::from_millis(10);

/// See the module.
pub(super) struct Client {
    misbehaving: Arc<Misbehaving>,
    groups: Arc<[Group]>,
    group: usize,
    /// Among all of this agent.
    number: u64,
    random: Random,
}

impl Client {
    pub(super) fn new(
        misbehaving: Arc<Misbehaving>,
        groups: Arc<[Group]>,
        (group, number): (usize, u64),
        random: Random,
    ) -> Self {
        Self { misbehaving, groups, group, number, random }
    }

    /// Until `ending` says so. What is under way then was borne to the end.
    pub(super) async fn run(mut self, start: Duration, mut ending: watch::Receiver<bool>) {
        // Not all of them at one instant.
        let mut wait = start + Duration::from_micros(self.random.below(self.groups[self.group].every_us.1.max(1)));
        for turn in 0.. {
            tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => return,
                () = sleep(wait) => {}
            }
            let met = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => Met::Left,
                met = self.deed(turn) => met,
            };
            let Group { every_us: (least, most), counts, .. } = &self.groups[self.group];
            counts.note(met);
            wait = Duration::from_micros(least + self.random.below(most - least + 1));
        }
    }

    async fn deed(&self, turn: u64) -> Met {
        let Misbehaving { endpoints, allowed, tls, texts, .. } = &*self.misbehaving;
        let place = (self.number + turn) as usize % endpoints.len().max(1);
        let Some(address) = endpoints.get(place) else { return Met::NotConnected };
        let way = self.groups[self.group].way;
        let prepare = |socket: &TcpSocket| match way {
            Misbehaviour::NeverReads => socket.set_recv_buffer_size(UNREAD),
            _ => Ok(()),
        };
        let connecting = allowed.speak_to_be_reset(*address, tls.as_ref(), prepare);
        let Some(mut stream) = connecting.await else { return Met::NotConnected };
        let stream = &mut *stream;
        match way {
            Misbehaviour::CutInRequest => {
                let _ = send(stream, half(&texts.call)).await;
                Met::Left
            }
            Misbehaviour::HalfRequest => self.say(stream, half(&texts.call), Duration::MAX).await,
            Misbehaviour::NeverReads => self.never_read(stream, &texts.call).await,
            Misbehaviour::AbandonsCall => {
                let _ = send(stream, &texts.call).await;
                sleep(ABANDONED_AFTER).await;
                Met::Left
            }
            Misbehaviour::UnknownMethod => self.ask(stream, &texts.unknown_method).await,
            Misbehaviour::BadJson => self.ask(stream, &texts.bad_json).await,
            Misbehaviour::WrongSession => self.ask(stream, &texts.wrong_session).await,
            Misbehaviour::NoDelete => self.open_session(stream).await,
        }
    }

    async fn ask(&self, stream: &mut dyn ByteStream, request: &[u8]) -> Met {
        self.say(stream, request, self.misbehaving.timeout).await
    }

    /// Says it, and waits for what comes of it.
    async fn say(&self, stream: &mut dyn ByteStream, bytes: &[u8], within: Duration) -> Met {
        match self.exchange(stream, bytes, within).await {
            Ok((Said::Ok, _)) => Met::Taken,
            Ok(_) => Met::Refused,
            Err(met) => met,
        }
    }

    async fn exchange(
        &self,
        stream: &mut dyn ByteStream,
        bytes: &[u8],
        within: Duration,
    ) -> Result<(Said, Answer), Met> {
        if send(stream, bytes).await.is_err() {
            return Err(Met::Cut { after_us: 0 });
        }
        let said_us = self.misbehaving.clock.now_us();
        let cut = |_| Met::Cut { after_us: self.misbehaving.clock.now_us().saturating_sub(said_us) };
        match timeout(within, answer(stream)).await {
            Ok(answered) => answered.map_err(cut),
            Err(_) => Err(Met::Unanswered),
        }
    }

    /// Until the target has enough of it.
    async fn never_read(&self, stream: &mut dyn ByteStream, call: &[u8]) -> Met {
        let began_us = self.misbehaving.clock.now_us();
        while send(stream, call).await.is_ok() {
            sleep(CALL_EVERY).await;
        }
        Met::Cut { after_us: self.misbehaving.clock.now_us().saturating_sub(began_us) }
    }

    async fn open_session(&self, stream: &mut dyn ByteStream) -> Met {
        let texts = &self.misbehaving.texts;
        let (said, answer) = match self.exchange(stream, &texts.initialize, self.misbehaving.timeout).await {
            Ok(answered) => answered,
            Err(met) => return met,
        };
        let record = answer.into_record();
        let session = header(&record.head, name::SESSION_ID).and_then(|session| std::str::from_utf8(session).ok());
        if let Some(session) = session {
            let _ = send(stream, &texts.initialized(session.trim())).await;
            // Taken or not, it is left now.
            let _ = timeout(self.misbehaving.timeout, stream.read(&mut vec![0; READ_BUFFER])).await;
        }
        if said == Said::Ok { Met::Taken } else { Met::Refused }
    }
}

async fn send(stream: &mut dyn ByteStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The answer to the request with [`ID`].
async fn answer(stream: &mut dyn ByteStream) -> io::Result<(Said, Answer)> {
    let mut answer = Answer::recorded(ID);
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let count = stream.read(&mut buffer).await?;
        let progress = if count == 0 { answer.end() } else { answer.feed(&buffer[..count]) };
        match progress {
            Progress::Whole { said, .. } => return Ok((said, answer)),
            Progress::More if count > 0 => {}
            Progress::More | Progress::Broken(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Beyond the head's first line, and not to the end.
pub(super) fn half(request: &[u8]) -> &[u8] {
    &request[..request.len() / 2]
}
