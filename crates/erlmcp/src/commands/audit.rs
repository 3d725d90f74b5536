//! `audit`: checks the operations of a run from its folder, or a bundle of it, alone.

use std::process::ExitCode;

use erlmcp_report::ExitCode as Verdict;
use erlmcp_report::audit::{AuditVerdict, audit, text};

use super::finished_run::FinishedRun;
use crate::args::AuditArgs;
use crate::console;
use crate::exit::{USAGE, code};

pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let Some(run) = FinishedRun::find(&args.run)? else { return Ok(code(USAGE)) };
    let audit = audit(run.folder())?;
    let text = if args.json { format!("{}\n", serde_json::to_string_pretty(&audit)?) } else { text(&audit) };
    console::print(&text);
    Ok(code(match audit.verdict {
        AuditVerdict::Valid => Verdict::Pass,
        AuditVerdict::Invalid => Verdict::SlaFailed,
        AuditVerdict::Unknown => Verdict::Inconclusive,
    } as u8))
}
