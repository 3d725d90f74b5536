//! OpenTelemetry: spans of some requests, and the figures of `/metrics`, to a collector over OTLP/HTTP. No request waits for
//! it: a span that is over goes into a bounded channel, and one that finds no room there is counted and dropped.

mod exporter;
mod figures;
mod otlp;
mod parent;
mod trace;

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::ServerInfo;
use crate::clock::monotonic_ns;
use crate::engine::{ServerError, Shared};
use crate::metrics::TelemetryFigures;
use exporter::Exporter;

pub(crate) use trace::{Begun, Outlet, Span, Target, Trace, cut};

/// What a server's end waits for the exporter, which has bounds of its own but for a collector that answers byte by byte.
const END_NS: u64 = 10_000_000_000;

/// What is told to a collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TelemetryConfig {
    /// The collector's address, to which `/v1/traces` and `/v1/metrics` are added; None: nothing is told.
    pub otlp: Option<String>,
    /// The share, 0 to 1, of requests without a trace of their client's that get a span. Of the others the client's own
    /// sampling decides.
    pub sample: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp: None, sample: 0.01 }
    }
}

/// The exporter of a server, and the way of spans to it.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) outlet: Arc<Outlet>,
    exporter: Mutex<Option<JoinHandle<()>>>,
}

impl Telemetry {
    /// None where nothing is told. The exporter's thread begins at once.
    ///
    /// # Errors
    /// Where there is nothing to check the collector's certificate by, or no thread.
    pub(crate) fn start(
        config: &TelemetryConfig,
        info: &ServerInfo,
        shared: &Arc<Shared>,
    ) -> Result<Option<Self>, ServerError> {
        let Some(place) = &config.otlp else { return Ok(None) };
        let (telemetry, spans) = Self::new(config.sample);
        let exporter =
            Exporter::new(place, info, shared, Arc::clone(&telemetry.outlet)).map_err(ServerError::Telemetry)?;
        let thread = std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || exporter.run(&spans))
            .map_err(|source| ServerError::System { what: "thread for telemetry", source })?;
        *telemetry.exporter.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Some(telemetry))
    }

    /// One whose spans somebody else takes.
    pub(crate) fn new(sample: f64) -> (Self, Receiver<Box<Span>>) {
        let (outlet, spans) = Outlet::new(sample);
        (Self { outlet: Arc::new(outlet), exporter: Mutex::new(None) }, spans)
    }

    /// What became of spans.
    pub(crate) fn figures(&self) -> TelemetryFigures {
        let counts = &self.outlet.counts;
        TelemetryFigures {
            exported: counts.exported.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
        }
    }

    /// Sends what is left, and waits for that.
    pub(crate) fn close(&self) {
        let thread = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        self.outlet.ends.store(true, Ordering::Release);
        thread.thread().unpark();
        let until_ns = monotonic_ns().saturating_add(END_NS);
        while !thread.is_finished() {
            if monotonic_ns() >= until_ns {
                return tracing::warn!("the collector does not come to an end: what it was not sent is lost");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
