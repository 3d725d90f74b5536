//! `compare`: runs side by side, from their folders alone.

use std::process::ExitCode;

use anyhow::Context;
use erlmcp_record::find_journal;
use erlmcp_report::Analysis;
use erlmcp_report::compare::{Compared, compare, markdown, text};
use erlmcp_report::render::compared_html;

use crate::args::{CompareArgs, CompareFormat};
use crate::console;
use crate::exit::{USAGE, code};

pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    if let Some(other) = args.runs.iter().find(|run| !find_journal(run)) {
        eprintln!("erlmcp: {} is not the folder of a run: it has no journal.jsonl", other.display());
        return Ok(code(USAGE));
    }
    let read = |run: &std::path::PathBuf| {
        let analysis = Analysis::from_folder(run).with_context(|| format!("cannot read {}", run.display()))?;
        anyhow::Ok((run.display().to_string(), analysis))
    };
    let runs = args.runs.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let named: Vec<(String, &Analysis)> = runs.iter().map(|(name, analysis)| (name.clone(), analysis)).collect();
    match compare(&named, &args.fail_if, args.anyway) {
        Ok(compared) => {
            let text = written(&compared, args.format)?;
            match &args.output {
                Some(file) => std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?,
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
