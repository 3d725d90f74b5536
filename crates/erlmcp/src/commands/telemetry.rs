//! What a server tells a collector: from flags to its configuration.

use erlmcp_server::TelemetryConfig;

use crate::args::TelemetryArgs;

impl TelemetryArgs {
    pub(super) fn config(&self) -> TelemetryConfig {
        let without = TelemetryConfig::default();
        let sample = self.otlp_sample.map_or(without.sample, |percent| percent / 100.0);
        TelemetryConfig { otlp: self.otlp.clone(), sample }
    }
}
