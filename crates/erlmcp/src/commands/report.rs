//! `report`: every view of a finished run, from its folder alone.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use erlmcp_report::series::SeriesBuilder;
use erlmcp_report::{Analysis, SecondView, bundle, render, replay};

use super::finished_run::FinishedRun;
use crate::args::{ReportArgs, ReportFormat};
use crate::console;
use crate::exit::{USAGE, code};

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let Some(run) = FinishedRun::find(&args.run)? else { return Ok(code(USAGE)) };
    if let Some(to) = &args.bundle {
        let manifest = bundle::pack(run.folder(), to, env!("CARGO_PKG_VERSION"))?;
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        let packed = std::fs::metadata(to).map_or(0, |found| found.len());
        let lines = format!(
            "{}: {} files, {bytes} bytes in {packed}; audit {}\n",
            to.display(),
            manifest.files.len(),
            manifest.audit
        );
        console::print(&lines);
        return Ok(ExitCode::SUCCESS);
    }
    let place = place(args, &run);
    let folder = run.folder();
    let text = match args.format {
        ReportFormat::Csv => return csv(folder, place.as_deref()),
        ReportFormat::Html => {
            let mut series = SeriesBuilder::default();
            let analysis = replay(folder, |second| series.push(second))?;
            render::html(&analysis.summary(), &series.finish(&analysis))
        }
        format => of_summary(format, &Analysis::from_folder(folder)?),
    };
    let written = write(place.as_deref(), |target| target.write_all(text.as_bytes()))?;
    if let (Some(place), ReportFormat::Html) = (&place, args.format) {
        console::line(place.display());
    }
    Ok(written)
}

fn of_summary(format: ReportFormat, analysis: &Analysis) -> String {
    let summary = analysis.summary();
    match format {
        ReportFormat::Markdown => render::markdown(&summary),
        ReportFormat::Json => render::json(&summary),
        ReportFormat::Junit => render::junit(&summary),
        ReportFormat::Prometheus => render::prometheus(&summary),
        ReportFormat::Github => render::github(&summary),
        ReportFormat::Text | ReportFormat::Html | ReportFormat::Csv => render::console(&summary),
    }
}

/// None: standard output.
fn place(args: &ReportArgs, run: &FinishedRun) -> Option<PathBuf> {
    match &args.output {
        Some(place) if place.as_os_str() == "-" => None,
        Some(place) => Some(place.clone()),
        // A bundle's folder goes; its page stays beside the bundle's user.
        None if args.format == ReportFormat::Html && run.is_bundle() => Some("report.html".into()),
        None if args.format == ReportFormat::Html => Some(run.folder().join("report.html")),
        None => None,
    }
}

/// A line a second, as they come: a long run's are not held.
fn csv(folder: &Path, place: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut failed = Ok(());
    let mut rows = |target: &mut dyn Write| {
        target.write_all(render::csv_heading().as_bytes())?;
        let mut written = Ok(());
        let read = replay(folder, |second: &SecondView| {
            if written.is_ok() {
                written = target.write_all(render::csv_line(second).as_bytes());
            }
        });
        failed = read.map(drop);
        written
    };
    let code = write(place, &mut rows)?;
    failed?;
    Ok(code)
}

fn write(place: Option<&Path>, rows: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<ExitCode> {
    match place {
        None => console::write(rows),
        Some(place) => {
            let cannot = || format!("cannot write {}: choose another place with --output", place.display());
            let mut target = BufWriter::new(std::fs::File::create(place).with_context(cannot)?);
            rows(&mut target).and_then(|()| target.flush()).with_context(cannot)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
