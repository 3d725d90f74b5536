//! `watch`: from arguments to checks, and what they come to to the terminal.

use std::process::ExitCode;

use erlmcp_orchestrator::{ExitOn, StressConfig, ToolCall, WatchConfig, WatchEvent, Webhook};
use erlmcp_report::plural;
use erlmcp_report::watch::count_line;

use super::reaching::HIDDEN;
use super::{failed, refused};
use crate::args::{WatchArgs, WatchExitOn};
use crate::exit::code;
use crate::{console, layers};

pub(crate) fn run(args: WatchArgs) -> anyhow::Result<ExitCode> {
    let json = args.json;
    let config = match config(args) {
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, mut told) = tokio::sync::mpsc::channel(64);
    let printer = std::thread::spawn(move || {
        while let Some(event) = told.blocking_recv() {
            show(&event, json);
        }
    });
    let watched = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        anyhow::Ok(erlmcp_orchestrator::watch(config, events, cancel).await)
    })?;
    // A webhook that does not answer is not waited for.
    runtime.shutdown_background();
    if printer.join().is_err() {
        anyhow::bail!("the console has ended with an internal error");
    }
    match watched {
        Ok(watched) => {
            if !json {
                console::line(count_line(&watched.count, &watched.history));
            }
            Ok(code(watched.exit_code))
        }
        Err(error) => Ok(failed(&error)),
    }
}

fn show(event: &WatchEvent, json: bool) {
    match event {
        WatchEvent::Checked { line, .. } if json => console::line(line.trim_end()),
        WatchEvent::Checked { text, .. } => console::line(text.trim_end()),
        WatchEvent::Note(text) => eprintln!("{text}"),
        WatchEvent::Begun { .. } if json => {}
        WatchEvent::Begun { folder, known, check } => {
            console::line(format_args!(
                "Watching with {check}; history in {} ({} known)",
                folder.display(),
                plural(*known as u64, "check")
            ));
        }
    }
}

fn config(args: WatchArgs) -> anyhow::Result<WatchConfig> {
    let webhook = args.webhook.as_deref().map(Webhook::parse).transpose()?;
    let command_line = args.reaching.without_secrets(Some(&args.url), layers::effective());
    Ok(WatchConfig {
        slo: args.slo,
        every: args.every,
        count: if args.once { Some(1) } else { args.count },
        exit_on: match args.exit_on {
            WatchExitOn::Never => ExitOn::Never,
            WatchExitOn::Violation => ExitOn::Violation,
            WatchExitOn::Change => ExitOn::Change,
        },
        folder: args.history,
        records: args.records,
        webhook,
        check: StressConfig {
            target: Some(args.url),
            connections: Some(args.connections),
            duration: args.duration,
            rate: Some(args.rate),
            ramp_rate: args.rate,
            agents: Some(1),
            era: args.era.into(),
            tool: args.tool.map(|name| ToolCall { name, arguments: args.args.unwrap_or_default() }),
            operations: Some(0.0),
            headers: args.reaching.headers()?,
            tokens: args.reaching.tokens()?,
            ca_pem: args.reaching.ca_pem()?,
            insecure: args.reaching.insecure,
            timeout: args.timeout,
            allow_hosts: args.allow_host,
            no_faults: true,
            command_line: without_webhook(command_line, args.webhook.as_deref()),
            ..StressConfig::default()
        },
    })
}

/// The address of a webhook is mostly its key.
fn without_webhook(command_line: Vec<String>, webhook: Option<&str>) -> Vec<String> {
    let Some(webhook) = webhook.filter(|webhook| !webhook.is_empty()) else { return command_line };
    command_line.into_iter().map(|word| word.replace(webhook, HIDDEN)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_command_line_has_no_webhook() {
        let words = ["erlmcp", "watch", "--webhook=https://h/s3cret", "--webhook", "https://h/s3cret"];
        let kept = without_webhook(words.map(String::from).to_vec(), Some("https://h/s3cret"));
        assert_eq!(kept, ["erlmcp", "watch", "--webhook=<hidden>", "--webhook", "<hidden>"]);
    }
}
