//! The GET stream of a legacy session, on a thread of its own: what the server asks there is answered.

use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;

use erlmcp_protocol::client::answer::{Answer, Progress};
use erlmcp_protocol::client::head::Content;
use erlmcp_protocol::client::request;
use erlmcp_protocol::era::Era;

use super::super::target::Spoken;
use super::exchange::{Channel, Exchanger};
use super::trouble::Trouble;

/// An open stream; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ear {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// None where the server offers no such stream.
    pub(super) fn open(exchanger: &Exchanger<'_>, spoken: &Spoken) -> Result<Option<Self>, Trouble> {
        if spoken.version.era() == Era::Modern {
            return Ok(None);
        }
        let (mut channel, answer, is_over) =
            exchanger.open_stream(&request::open_stream(&exchanger.target.peer(spoken))?)?;
        let is_stream = answer.head().is_some_and(|head| head.status == 200 && head.content == Content::Events);
        if !is_stream || is_over {
            return Ok(None);
        }
        let internal = |error: std::io::Error| Trouble::Internal(error.to_string());
        let stream = channel.stream().try_clone().map_err(internal)?;
        channel.limit(u64::MAX);
        let (target, address, spoken) = (exchanger.target.clone(), exchanger.address, spoken.clone());
        let listening = std::thread::Builder::new().name("ear".into());
        let thread = listening.spawn(move || {
            if let Ok(mut answering) = Exchanger::new(&target, address, super::PATIENCE) {
                answering.in_session(&spoken);
                listen(channel, answer, &mut answering);
            }
        });
        Ok(Some(Self { stream, thread: Some(thread.map_err(internal)?) }))
    }
}

fn listen(mut channel: Channel, mut answer: Answer, answering: &mut Exchanger<'_>) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let until_ns = answering.until_ns();
        answering.answer_all(answer.take_questions(), until_ns);
        match channel.read(&mut buffer) {
            Ok(count) if count > 0 && answer.feed(&buffer[..count]) == Progress::More => {}
            _ => return,
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // Where it is closed already there is nothing to end.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
