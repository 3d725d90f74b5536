//! `serve`: one server, one process.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use erlmcp_server::cluster::descriptors_for;
use erlmcp_server::operations::{PrivateFolder, StorePlace};
use erlmcp_server::{Listening, Server, ServerConfig, ServerError, bind};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::listen::{cores, limits, resolve, session_key};
use crate::args::ServeArgs;
use crate::console;
use crate::exit::{INTERRUPTED, code};
use crate::fixtures::{info, registry, with_extra_tools};

pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    if args.tied {
        set_parent_process_death_signal(Some(Signal::KILL)).context("cannot set the parent-death signal")?;
    }
    let limits = limits(&args.engine);
    if args.print_limits {
        console::line(limits.to_string().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let session_key = session_key(&args.engine)?;
    let (registry, limits) = with_extra_tools(registry(args.engine.fixtures)?, limits, args.extra_tools)?;
    let wanted = resolve(&args.listen)?;
    args.engine.entry.may_listen(&wanted)?;
    let admin = resolve(args.admin_listen.as_slice())?;
    args.engine.entry.may_show(&admin)?;
    let mut listeners = listen(&wanted)?;
    let addresses = listeners.iter().map(|socket| socket.listener.local_addr()).collect::<Result<Vec<_>, _>>()?;
    listeners.extend(listen(&admin)?.into_iter().map(|socket| Listening { admin: true, ..socket }));
    descriptors_for(&limits)?;
    let folder = if args.engine.store.is_none() { Some(PrivateFolder::create()?) } else { None };
    let private = || Some(StorePlace::File(folder.as_ref()?.path().join("operations.db")));
    let store = args.engine.store.or_else(private);
    let config = ServerConfig {
        info: info(),
        store,
        limits,
        registry,
        shards: args.shards.unwrap_or_else(cores),
        entry: args.engine.entry.config(),
        telemetry: args.engine.telemetry.config(),
        allowed_hosts: args.engine.allowed_host,
        session_key,
        ..ServerConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended: anyhow::Result<ExitCode> = runtime.block_on(async {
        let mut signals = crate::interrupt::watch()?;
        let server = Server::start(config, listeners, true)?;
        for address in &addresses {
            console::line(format_args!("listening on {address}"));
        }
        signals.changed().await?;
        server.drain();
        let drained = tokio::task::spawn_blocking(move || server.join());
        tokio::select! {
            drained = drained => {
                let cut = drained?.cut;
                if cut > 0 {
                    tracing::warn!("{cut} connections were still busy when the time was over; they were cut");
                }
                Ok(ExitCode::SUCCESS)
            }
            Ok(()) = signals.changed() => Ok(code(INTERRUPTED)),
        }
    });
    // Who is told twice waits for nothing more.
    runtime.shutdown_background();
    ended
}

/// Binds all addresses, on one port those for which any will do. Some may be lacking on this machine, such as ::1 without IPv6:
/// those are left out as long as another remains.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<Listening>, ServerError> {
    let mut listeners: Vec<Listening> = Vec::new();
    let mut lacking = None;
    for address in addresses {
        let first = listeners.first().and_then(|first| first.listener.local_addr().ok());
        let port = first.filter(|_| address.port() == 0).map_or(address.port(), |first| first.port());
        match bind(SocketAddr::new(address.ip(), port)) {
            Ok(listener) => listeners.push(Listening { listener, shared: false, admin: false }),
            Err(ServerError::Bind { address, source }) if is_lacking(&source) && addresses.len() > 1 => {
                tracing::warn!("not listening on {address}: {source}");
                lacking = Some(ServerError::Bind { address, source });
            }
            Err(error) => return Err(error),
        }
    }
    match lacking {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// This machine has no such address, or none of that kind.
fn is_lacking(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_lacking_is_left_out_while_another_remains() {
        let lacking: SocketAddr = "192.0.2.1:0".parse().expect("an address");
        let own: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(listen(&[lacking, own]).expect("one is bound").len(), 1);
        assert!(listen(&[lacking]).is_err());
        assert!(listen(&[lacking, lacking]).is_err());
        let both = listen(&[own, "127.0.0.2:0".parse().expect("an address")]).expect("both are bound");
        let ports: Vec<u16> = both.iter().map(|one| one.listener.local_addr().expect("bound").port()).collect();
        assert_eq!(ports[0], ports[1]);
        let taken = SocketAddr::new(own.ip(), ports[0]);
        assert!(matches!(listen(&[lacking, taken]), Err(ServerError::InUse(address)) if address == taken));
        assert!(is_lacking(&Errno::AFNOSUPPORT.into()) && !is_lacking(&Errno::ACCESS.into()));
    }
}
