//! Knocks at every address: does it answer, how long does that take on a new connection, and which pages has it?

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_protocol::client::request::Template;
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;

use super::super::target::{Spoken, Target};
use super::calling::done;
use super::exchange::{Exchanger, next_id};
use super::trouble::Trouble;
use super::{handshake, plain};
use crate::clock::monotonic_ns;
use crate::proto;

/// A knock that is not answered within so long is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// All addresses together: those that are left then are not knocked at.
const ALL_NS: u64 = 30_000_000_000;

/// Knocks `knocks` times at each address. At one that does not answer nobody knocks again. Where the session has ended,
/// another one takes its place.
pub(in crate::agent) fn knock(target: &Target, spoken: &mut Spoken, knocks: u32) -> Vec<proto::Door> {
    let until_ns = monotonic_ns() + ALL_NS;
    let door = |(replica, address): &(u16, SocketAddr)| {
        let mut door =
            proto::Door { replica: u32::from(*replica), address: address.to_string(), ..proto::Door::default() };
        if monotonic_ns() >= until_ns {
            door.error = "nobody knocked there: the other addresses had taken all of the time".into();
            return door;
        }
        if let Err(trouble) = at(&mut door, target, spoken, (*address, knocks)) {
            door.error = trouble.to_string();
            return door;
        }
        door.health_status = page(target, *address, "/health");
        door.metrics_status = page(target, *address, "/metrics");
        door
    };
    target.endpoints.iter().map(door).collect()
}

fn at(
    door: &mut proto::Door,
    target: &Target,
    spoken: &mut Spoken,
    (address, knocks): (SocketAddr, u32),
) -> Result<(), Trouble> {
    let harmless = match spoken.version.era() {
        Era::Modern => method::DISCOVER,
        Era::Legacy => method::PING,
    };
    while door.knocks < knocks {
        door.knocks += 1;
        let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
        let knocked = handshake::renewing(&mut exchanger, spoken, |exchanger, spoken| {
            let setting_out = exchanger.set_out()?;
            let (id, mut request) = (next_id(), Vec::new());
            Template::new(&target.peer(spoken), &plain(harmless))?.write(id, &mut request);
            let asked_ns = monotonic_ns();
            let answered = exchanger.exchange(&request, id)?;
            Ok((answered, (setting_out, (monotonic_ns() - asked_ns) / 1_000)))
        });
        let (answered, (setting_out, answer_us)) = knocked?;
        done(&answered)?;
        door.answer_us.push(answer_us);
        door.connect_us.push(setting_out.connect_us);
        door.tls_us.extend(setting_out.tls_us);
    }
    Ok(())
}

/// The status of a page; 0: no answer.
fn page(target: &Target, address: SocketAddr, path: &str) -> u32 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.authority);
    let asked = Exchanger::new(target, address, PATIENCE).and_then(|mut asker| asker.begin_stream(request.as_bytes()));
    asked.map_or(0, |(status, _)| u32::from(status))
}
