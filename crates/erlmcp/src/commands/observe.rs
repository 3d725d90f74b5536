//! `observe`: a server that runs, or a run that goes on or is over, on the screen of `--tui` or as a table.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use erlmcp_orchestrator::{Opened, Reaching, silent_s};
use erlmcp_record::{ClusterSample, Entry, JournalTail};
use erlmcp_report::board::{Board, table};
use erlmcp_report::bundle::unpack;
use erlmcp_report::live::Event;
use erlmcp_report::retelling::Retelling;
use tokio::sync::mpsc::{Receiver, channel};

use super::{failed, refused};
use crate::args::{ObserveArgs, ReachingArgs};
use crate::clock::ScreenClock;
use crate::console;
use crate::exit::{USAGE, code};
use crate::screen::{self, Fed, Stop};

/// Rates are differences of two samples, and a second is whole two seconds after it.
const SAMPLES_FOR_A_TABLE: usize = 5;

pub(crate) fn run(args: &ObserveArgs) -> anyhow::Result<ExitCode> {
    let path = Path::new(&args.what);
    // It is gone when this is.
    let bundle = path.is_file().then(|| unpack(path)).transpose()?;
    let folder = bundle.as_ref().map_or(path, |bundle| bundle.folder());
    let is_run = folder.is_dir();
    if !is_run && !args.what.contains("://") {
        eprintln!(
            "erlmcp: {:?} is neither a URL nor a run: write http://localhost:8080, or the folder of a run",
            args.what
        );
        return Ok(code(USAGE));
    }
    let reaching = if is_run { Ok(Reaching::default()) } else { reaching(&args.reaching) };
    let reaching = match reaching {
        Ok(reaching) => reaching,
        Err(error) => return Ok(refused(&error)),
    };
    if args.web {
        let folder = folder.to_string_lossy();
        return on_a_page((if is_run { &folder } else { &args.what }, &reaching), args.port);
    }
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !args.once && !has_terminal {
        eprintln!("erlmcp: observe takes the whole terminal, and there is none: add --once for a table");
        return Ok(code(USAGE));
    }
    match is_run {
        true => of_run(folder, args.once),
        false => of_server((&args.what, &reaching), args.once),
    }
}

fn reaching(args: &ReachingArgs) -> anyhow::Result<Reaching> {
    Ok(Reaching { headers: args.headers()?, ca_pem: args.ca_pem()?, insecure: args.insecure })
}

fn on_a_page(what: (&str, &Reaching), port: Option<u16>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let opened = |page: Opened| {
        console::line(format_args!("Open {} in a browser of this machine; Ctrl-C ends it.", page.address));
        let port = page.port;
        console::line(format_args!(
            "From elsewhere: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE there, and open the same address."
        ));
    };
    let observed = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        anyhow::Ok(erlmcp_orchestrator::observe_on_a_page(what, port.unwrap_or(0), opened, cancel).await)
    });
    Ok(observed?.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS))
}

/// Follows the journal as far as it is written; the time on the screen is the run's.
fn of_run(folder: &Path, once: bool) -> anyhow::Result<ExitCode> {
    let mut tail = JournalTail::open(folder)?;
    let mut replay = Retelling::default();
    if once {
        let mut board = Board::default();
        loop {
            let rows = tail.read()?;
            for (event, at_ms) in rows.iter().flat_map(|row| replay.push(row)) {
                board.push(&event, at_ms);
            }
            if rows.is_empty() {
                break;
            }
        }
        let silent_s = silent_s(&tail);
        replay.silent_for(silent_s).iter().for_each(|(event, at_ms)| board.push(event, *at_ms));
        board.silent_s = silent_s;
        console::line(table(&board, replay.now_ms()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = None;
    let mut told = VecDeque::new();
    let feed = || {
        let mut silent = 0;
        if told.is_empty() {
            match tail.read() {
                Ok(rows) if rows.is_empty() => {
                    silent = silent_s(&tail);
                    told.extend(replay.silent_for(silent));
                }
                Ok(rows) => told.extend(rows.iter().flat_map(|row| replay.push(row))),
                Err(error) => {
                    failed = Some(error);
                    return Fed::Ended;
                }
            }
        }
        fed(&mut told, (replay.now_ms(), silent))
    };
    screen::show(feed, Stop::Close, "q: close")?;
    failed.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

fn fed(told: &mut VecDeque<(Event, u64)>, (now_ms, silent_s): (u64, u64)) -> Fed {
    let nothing = Fed::Nothing { now_ms, silent_s };
    told.pop_front().map_or(nothing, |(event, at_ms)| Fed::Event(Box::new(event), at_ms))
}

fn of_server(server: (&str, &Reaching), once: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (samples, taken) = channel(8);
    let (said, title) = std::sync::mpsc::sync_channel(1);
    let shower = std::thread::spawn(move || -> anyhow::Result<()> {
        // It ends without a word where there is nothing to look at.
        let Ok(title) = title.recv() else { return Ok(()) };
        if once { print_table(title, taken) } else { Ok(show_samples(title, taken)?) }
    });
    let observed = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        let begun = move |title: String| drop(said.send(title));
        anyhow::Ok(erlmcp_orchestrator::observe(server, begun, samples, cancel).await)
    });
    match shower.join() {
        Err(_) => anyhow::bail!("the view has ended with an internal error"),
        Ok(shown) => shown?,
    }
    Ok(observed?.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS))
}

fn print_table(title: String, mut taken: Receiver<ClusterSample>) -> anyhow::Result<()> {
    let (mut board, mut replay) = (Board::default(), Retelling::of_server());
    board.push(&Event::Looking { at: title }, 0);
    for _ in 0..SAMPLES_FOR_A_TABLE {
        let Some(sample) = taken.blocking_recv() else { break };
        for (event, at_ms) in replay.push(&Entry::Cluster(sample)) {
            board.push(&event, at_ms);
        }
    }
    console::line(table(&board, replay.now_ms()));
    Ok(())
}

fn show_samples(title: String, mut taken: Receiver<ClusterSample>) -> std::io::Result<()> {
    let (clock, mut replay) = (ScreenClock::start(), Retelling::of_server());
    let mut told = VecDeque::from([(Event::Looking { at: title }, 0)]);
    let feed = || {
        if told.is_empty() {
            match taken.try_recv() {
                Ok(sample) => told.extend(replay.push(&Entry::Cluster(sample))),
                Err(tokio::sync::mpsc::error::TryRecvError::Empty) => {}
                Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => return Fed::Ended,
            }
        }
        fed(&mut told, (clock.now_ms(), 0))
    };
    screen::show(feed, Stop::Signal, "q: close")
}
