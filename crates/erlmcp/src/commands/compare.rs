//! `compare`: runs side by side, from their folders or bundles alone.

use std::process::ExitCode;

use anyhow::Context;
use erlmcp_report::Analysis;
use erlmcp_report::compare::{Compared, compare, markdown, text};
use erlmcp_report::render::compared_html;

use super::finished_run::FinishedRun;
use crate::args::{CompareArgs, CompareFormat};
use crate::console;
use crate::exit::{USAGE, code};

pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    for run in &args.runs {
        let Some(found) = FinishedRun::find(run)? else { return Ok(code(USAGE)) };
        let analysis = Analysis::from_folder(found.folder());
        let analysis =
            analysis.with_context(|| format!("cannot read {} (leave it out, or name another run)", run.display()))?;
        runs.push((run.display().to_string(), analysis));
    }
    let named: Vec<(String, &Analysis)> = runs.iter().map(|(name, analysis)| (name.clone(), analysis)).collect();
    match compare(&named, &args.fail_if, args.anyway) {
        Ok(compared) => {
            let text = written(&compared, args.format)?;
            match &args.output {
                Some(file) => std::fs::write(file, text).with_context(|| {
                    format!("cannot write {} (name a file in a folder that is there by --output)", file.display())
                })?,
                None => console::print(&text),
            }
            Ok(code(compared.exit_code() as u8))
        }
        Err(why) => {
            eprintln!("erlmcp: {why}");
            Ok(code(USAGE))
        }
    }
}

fn written(compared: &Compared, format: CompareFormat) -> anyhow::Result<String> {
    Ok(match format {
        CompareFormat::Terminal => text(compared),
        CompareFormat::Markdown => markdown(compared),
        CompareFormat::Html => compared_html(compared),
        CompareFormat::Json => format!("{}\n", serde_json::to_string_pretty(compared)?),
    })
}
