//! A process's end of the channel to its supervisor.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use rustix::stdio::dup2_stdin;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::error::ClusterError;
use super::{handover, priority};
use crate::engine::raise_descriptor_limit;

/// The channel is put no higher than this: the kernel's table of a process's descriptors reaches up to the highest.
const DESCRIPTOR_MAX: u64 = 65_536;

/// The first message is there before the process starts; this is for a machine that is badly overloaded.
const HELLO: Duration = Duration::from_secs(10);

/// What a supervisor says of itself in its first message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parent {
    pub(super) pid: u32,
    /// The nice value that it wants its child to have.
    pub(super) nice: i32,
}

/// What a process begins with: the channel, the first message, and the sockets that came with it.
pub(super) struct Met<H> {
    pub(super) channel: UnixStream,
    pub(super) hello: H,
    pub(super) sockets: Vec<OwnedFd>,
}

/// Takes the channel and what comes with the first message. From now on a supervisor that dies takes this process with
/// it; none where it is dead already. Has to be called in a runtime.
pub(super) fn meet_supervisor<H: DeserializeOwned>(parent: fn(&H) -> Parent) -> Result<Option<Met<H>>, ClusterError> {
    let channel = take().map_err(|_| ClusterError::NoChannel)?;
    channel.set_read_timeout(Some(HELLO)).map_err(|_| ClusterError::NoChannel)?;
    let (hello, sockets) = handover::receive::<H>(&channel).map_err(|_| ClusterError::NoChannel)?;
    let Parent { pid, nice } = parent(&hello);
    priority::stand_back(nice);
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| ClusterError::System { what: "set the parent-death signal", source: error.into() })?;
    let own = getppid().and_then(|own| u32::try_from(own.as_raw_nonzero().get()).ok());
    if own != Some(pid) {
        return Ok(None);
    }
    channel.set_nonblocking(true).map_err(ClusterError::system("use the channel to the supervisor"))?;
    let channel = UnixStream::from_std(channel).map_err(ClusterError::system("use the channel to the supervisor"))?;
    Ok(Some(Met { channel, hello, sockets }))
}

/// Takes the channel, which is standard input, and puts it above the descriptors of all connections. When a process dies the
/// kernel closes its files from the highest down, so the supervisor learns of it first, and not last, after thousands of
/// sockets.
fn take() -> io::Result<StdUnixStream> {
    let highest = raise_descriptor_limit().min(DESCRIPTOR_MAX).saturating_sub(1);
    let channel = fcntl_dupfd_cloexec(io::stdin(), i32::try_from(highest).unwrap_or(i32::MAX))?;
    // A file is closed with the last descriptor of it.
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(StdUnixStream::from(channel))
}
