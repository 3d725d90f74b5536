//! `cluster`: the supervisor itself, or a word with a running one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use erlmcp_record::plain_json;
use erlmcp_report::plural;
use erlmcp_server::cluster::{self, ClusterConfig, Machine, Request, Started, Stopped, default_control_path};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::listen::{cores, limits, resolve, session_key};
use super::status;
use crate::args::{ClusterAddress, ClusterArgs, ClusterCommand};
use crate::console;
use crate::exit::{INTERRUPTED, code};

pub(crate) fn run(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => supervise(args),
        Some(ClusterCommand::Status { at, json }) => {
            let answer = cluster::ask(&control(at), &Request::Status)?;
            console::line(if json { plain_json(&answer.to_string()) } else { status::table(&answer) });
            Ok(ExitCode::SUCCESS)
        }
        Some(ClusterCommand::Scale { replicas, at }) => {
            cluster::ask(&control(at), &Request::Scale { replicas })?;
            console::line(plural(u64::from(replicas), "replica"));
            Ok(ExitCode::SUCCESS)
        }
        Some(ClusterCommand::Update { program, at }) => {
            let program = match program {
                Some(path) => path.canonicalize().with_context(|| format!("there is no program {}", path.display()))?,
                None => std::env::current_exe().context("cannot find this program")?,
            };
            let answer = cluster::ask(&control(at), &Request::Update { program: program.clone() })?;
            let replicas = plural(answer["replicas"].as_u64().unwrap_or_default(), "replica");
            console::line(format_args!("{} runs in {replicas}", program.display()));
            Ok(ExitCode::SUCCESS)
        }
        Some(ClusterCommand::Stop { at }) => {
            cluster::stop(&control(at))?;
            console::line("stopped");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn control(at: ClusterAddress) -> PathBuf {
    at.control.unwrap_or_else(|| default_control_path(at.port))
}

fn supervise(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    if args.tied {
        set_parent_process_death_signal(Some(Signal::KILL)).context("cannot set the parent-death signal")?;
    }
    let shared = resolve(&[args.listen])?;
    args.engine.entry.may_listen(&shared)?;
    let admin = resolve(args.admin_listen.as_slice())?;
    args.engine.entry.may_show(&admin)?;
    let fixtures = args.engine.fixtures;
    let config = ClusterConfig {
        arguments: fixtures.map(|set| vec!["--fixtures".to_string(), set.as_str().to_string()]).unwrap_or_default(),
        admin,
        control: args.control,
        store: args.engine.store.clone(),
        session_key: session_key(&args.engine)?,
        machine: Machine { name: args.machine, address: args.advertise },
        limits: limits(&args.engine),
        shards: args.shards.unwrap_or_else(|| cores() / usize::from(args.replicas.max(1))).max(1),
        entry: args.engine.entry.config(),
        telemetry: args.engine.telemetry.config(),
        allowed_hosts: args.engine.allowed_host,
        ..ClusterConfig::of(shared, args.replicas)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        let signals = crate::interrupt::watch()?;
        anyhow::Ok(cluster::run(config, signals, announce).await?)
    })?;
    Ok(match stopped {
        Stopped::InOrder => ExitCode::SUCCESS,
        Stopped::AtOnce => code(INTERRUPTED),
    })
}

fn announce(started: &Started) {
    for address in &started.shared {
        console::line(format_args!("listening on {address}"));
    }
    match started.replicas.as_slice() {
        [only] => console::line(format_args!("1 replica on {only}")),
        [first, .., last] => {
            console::line(format_args!("{} replicas on {first} to {last}", started.replicas.len()));
        }
        [] => {}
    }
    console::line(format_args!("control socket {}", started.control.display()));
}
