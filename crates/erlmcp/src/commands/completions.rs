//! `completions` and `man`: what shells and `man` want to know, from the definition of the arguments.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command as Definition, CommandFactory};

use crate::args::{Args, Shell};
use crate::console;

const NAME: &str = "erlmcp";

pub(crate) fn completions(shell: Shell) -> ExitCode {
    console::print(&text_of(shell));
    ExitCode::SUCCESS
}

fn text_of(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut for_people(), NAME, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) fn man(folder: &Path) -> anyhow::Result<ExitCode> {
    let write = || {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(for_people(), folder)
    };
    write().with_context(|| format!("cannot write into {}", folder.display()))?;
    console::line(format_args!("man pages are in {}: try man -l {}/{NAME}.1", folder.display(), folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// The commands, without those that only other commands start.
fn for_people() -> Definition {
    let all = Args::command();
    Definition::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(all.get_about().cloned().unwrap_or_default())
        .after_help(all.get_after_help().cloned().unwrap_or_default())
        .args(all.get_arguments().cloned())
        .subcommands(all.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_learn_of_every_flag_and_of_no_hidden_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = text_of(shell);
            for word in ["stress", "ramp-rate", "allow-host", "per-connection", "status"] {
                assert!(text.contains(word), "no {word} for {shell:?}");
            }
            assert!(!text.contains("fault-proxy"), "{shell:?} completes what nobody types");
        }
    }

    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().expect("a folder");
        let pages = folder.path().join("man1");
        assert!(man(&pages).is_ok());
        let page = std::fs::read_to_string(pages.join("erlmcp-stress.1")).expect("the page of stress");
        assert!(page.contains("ramp") && page.contains("[default: 5000]"), "{page}");
        assert!(pages.join("erlmcp.1").is_file() && pages.join("erlmcp-cluster-status.1").is_file());
        assert!(!pages.join("erlmcp-replica.1").exists());
    }
}
