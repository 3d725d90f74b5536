//! A process's end of the channel to its supervisor.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::dup2_stdin;

use super::descriptors::raise_descriptor_limit;

/// The channel is put no higher than this: the kernel's table of a process's descriptors reaches up to the highest.
const DESCRIPTOR_MAX: u64 = 65_536;

/// Takes the channel, which is standard input, and puts it above the descriptors of all connections. When a process dies the
/// kernel closes its files from the highest down, so the supervisor learns of it first, and not last, after thousands of
/// sockets.
pub(super) fn take() -> io::Result<UnixStream> {
    let highest = raise_descriptor_limit().min(DESCRIPTOR_MAX).saturating_sub(1);
    let channel = fcntl_dupfd_cloexec(io::stdin(), i32::try_from(highest).unwrap_or(i32::MAX))?;
    // A file is closed with the last descriptor of it.
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(channel))
}
