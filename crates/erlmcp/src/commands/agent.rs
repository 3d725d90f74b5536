//! `agent`: one generator process, started by `stress` or by a person.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use erlmcp_load::agent::{self, AgentConfig, AgentError, AgentOrigin, JoinTls, Pass};
use erlmcp_record::plain;

use super::joining::{pem, token};
use super::refused;
use crate::args::AgentArgs;
use crate::exit;
use crate::turns::take_long_turns;

/// Where a run leaves the token for the agents that it starts itself.
const TOKEN: &str = "ERLMCP_JOIN_TOKEN";

pub(crate) fn run(args: AgentArgs) -> anyhow::Result<ExitCode> {
    let keeps = args.keep;
    let config = match args.index {
        Some(index) => of_a_run(args.join, index)?,
        None => match joining(args) {
            Ok(config) => config,
            Err(error) => return Ok(refused(&error)),
        },
    };
    take_long_turns();
    loop {
        match agent::run(config.clone()) {
            Err(AgentError::Interrupted) => {
                eprintln!("erlmcp: {}", AgentError::Interrupted);
                return Ok(exit::code(exit::INTERRUPTED));
            }
            // The next run may be a better one.
            Err(error @ (AgentError::Stream(_) | AgentError::Failed(_))) if keeps => eprintln!("erlmcp: {error}"),
            Err(error) => return Err(error.into()),
            Ok(()) => (config.tell)("the run is over"),
        }
        if !keeps {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn of_a_run(join: String, index: u32) -> anyhow::Result<AgentConfig> {
    let token = std::env::var(TOKEN).context("an agent with an --index is started by `erlmcp stress`")?;
    let pass = Arc::new(move || Ok::<_, String>(Pass { token: token.clone(), tls: None }));
    Ok(AgentConfig { join, origin: AgentOrigin::Run(index), pass, tell: |_| {} })
}

fn joining(args: AgentArgs) -> anyhow::Result<AgentConfig> {
    pass(&args)?;
    let origin = AgentOrigin::Elsewhere(if args.keep { Duration::MAX } else { args.wait });
    let tell = |line: &str| eprintln!("erlmcp: {}", plain(line));
    let join = args.join.clone();
    let pass = Arc::new(move || pass(&args).map_err(|error| format!("{error:#}")));
    Ok(AgentConfig { join, origin, pass, tell })
}

/// What the files hold now.
fn pass(args: &AgentArgs) -> anyhow::Result<Pass> {
    let path = args.token_file.as_deref().context("--token-file is missing")?;
    let own = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some((pem(certificate)?, pem(key)?)),
        _ => None,
    };
    let tls = match &args.tls_ca {
        Some(ca) => Some(JoinTls { ca_pem: pem(ca)?, own }),
        None => None,
    };
    Ok(Pass { token: token(path)?, tls })
}
