//! `stress`: from what was asked for to a report.

use std::path::PathBuf;

use erlmcp_report::{Summary, exit_code, live, render};
use tokio::sync::{mpsc, watch};

use crate::config::StressConfig;
use crate::folder::Folder;
use crate::rig::Rig;
use crate::run::{Run, Watcher};
use crate::{StressError, recorder::Recorder};

mod fronts;
mod origin;
mod setup;

pub(crate) use setup::check_target_pid;
use setup::{Ready, Setup};

/// How a run ended that came to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// As method.md has it: 0 pass, 1 error, 3 inconclusive, 99 an SLA failed, 105 interrupted.
    pub exit_code: u8,
    /// Where the report is.
    pub folder: PathBuf,
}

/// Runs the stress plan, from the checks of what was asked for to the written report. What goes on is told over
/// `events`; a watcher that does not listen holds nothing up. `cancel` counts how often the user asked for an end:
/// once ends in order, twice waits for nothing. It must be called on the process's main thread, on a runtime of
/// one thread: the children of a run die with the thread that started them.
///
/// # Errors
/// Where it does not come to a report, as one sentence that says what to do. Whatever was begun is undone then.
pub async fn stress(
    config: StressConfig,
    events: mpsc::Sender<live::Event>,
    mut cancel: watch::Receiver<u32>,
) -> Result<Outcome, StressError> {
    let mut setup = Setup::begin(&config, Watcher::new(events.clone()))?;
    let ready = tokio::select! {
        biased;
        () = asked_to_end(&mut cancel) => Err(StressError::Interrupted),
        ready = setup.all() => ready,
    };
    let ready = match ready {
        Ok(ready) => ready,
        Err(error) => {
            setup.undo(&error).await;
            return Err(error);
        }
    };
    let (rig, folder) = setup.into_parts();
    run(ready, (rig, folder), events, cancel).await
}

/// Waits until the user has asked for an end.
pub(crate) async fn asked_to_end(cancel: &mut watch::Receiver<u32>) {
    if cancel.wait_for(|count| *count > 0).await.is_err() {
        // Nobody can ask any more.
        std::future::pending::<()>().await;
    }
}

async fn run(
    ready: Ready,
    (rig, folder): (Rig, Folder),
    events: mpsc::Sender<live::Event>,
    mut cancel: watch::Receiver<u32>,
) -> Result<Outcome, StressError> {
    let Ready { plan, facts, world, recorder, stops_at_errors } = ready;
    let mut run = Run::new(plan, (facts, world), rig, recorder, (events, stops_at_errors));
    let ended = run.run_to_end(&mut cancel).await;
    let Run { mut recorder, mut watcher, hands, .. } = run;
    let summary = recorder.analysis.summary();
    let written = write_report(&folder, &summary, &recorder);
    let exit_code = exit_code(&summary) as u8;
    let last =
        [live::Event::Final(Box::new(summary)), live::Event::ReportWritten { folder: folder.path().to_path_buf() }];
    for event in last.into_iter().take(if written.is_ok() { 2 } else { 1 }) {
        let said = say(&mut recorder, &event, hands.clock.now_us()).await;
        watcher.show(event).await;
        if ended.is_ok() {
            said?;
        }
    }
    ended?;
    written?;
    Ok(Outcome { exit_code, folder: folder.path().to_path_buf() })
}

async fn say(recorder: &mut Recorder, event: &live::Event, now_us: u64) -> Result<(), StressError> {
    recorder.say(event, now_us)?;
    recorder.finish().await
}

/// The files of the report: for machines first.
fn write_report(folder: &Folder, summary: &Summary, recorder: &Recorder) -> Result<(), StressError> {
    folder.write("report.json", &render::json(summary))?;
    folder.write("FINAL_REPORT.md", &render::markdown(summary))?;
    folder.write("report.html", &render::html(summary, &recorder.series()))
}

#[cfg(test)]
mod tests;
