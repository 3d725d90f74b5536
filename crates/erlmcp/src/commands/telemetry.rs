//! What a server tells a collector: from flags to its configuration.

use erlmcp_server::TelemetryConfig;

use crate::args::TelemetryArgs;

impl TelemetryArgs {
    pub(super) fn config(&self) -> TelemetryConfig {
        TelemetryConfig { otlp: self.otlp.clone(), sample: self.otlp_sample / 100.0 }
    }
}
