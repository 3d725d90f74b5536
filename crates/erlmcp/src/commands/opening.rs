//! What a run is told by the arguments that the commands share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use erlmcp_orchestrator::{Driver, StressConfig, ToolCall};
use erlmcp_report::nearest;
use erlmcp_report::slo::Slo;

use crate::args::{DriverName, LoadArgs, ProofArgs, StreamArgs};
use crate::layers;

/// Where the Docker engine of this machine listens, if not said.
pub(super) fn docker_socket(said: Option<PathBuf>) -> PathBuf {
    said.unwrap_or_else(|| "/var/run/docker.sock".into())
}

impl LoadArgs {
    /// A run against `target` (None: a local cluster of its own) as far as these say; the rest is the command's to say.
    pub(super) fn config(self, target: Option<String>) -> anyhow::Result<StressConfig> {
        let command_line = self.reaching.without_secrets(target.as_deref(), layers::effective());
        Ok(StressConfig {
            target,
            ramp_rate: self.ramp_rate,
            replicas: self.replicas,
            agents: self.agents,
            joining: self.joining.joining()?,
            raw_latencies: self.joining.raw_latencies,
            tool: self.tool.map(|name| ToolCall { name, arguments: self.args.unwrap_or_default() }),
            headers: self.reaching.headers()?,
            tokens: self.reaching.tokens()?,
            ca_pem: self.reaching.ca_pem()?,
            insecure: self.reaching.insecure,
            timeout: self.timeout,
            output: self.output,
            record_limit: self.record_limit,
            allow_hosts: self.allow_host,
            driver: self.driver.map(|name| match name {
                DriverName::Swarm => Driver::Swarm { engine: docker_socket(self.engine) },
                DriverName::Kubernetes => Driver::Kubernetes { api: self.kube_api, namespace: self.kube_namespace },
            }),
            thresholds: thresholds(self.thresholds_file.as_deref(), &self.thresholds)?,
            command_line,
            ..StressConfig::default()
        })
    }
}

impl ProofArgs {
    /// The same run, with what these say.
    pub(super) fn config(self, config: StressConfig) -> anyhow::Result<StressConfig> {
        let asserts = Slo::joined(self.asserts).map_err(|why| anyhow::anyhow!("--assert: {why}"))?;
        Ok(StressConfig {
            operations: self.operations,
            seed: self.seed,
            require_all: self.require_all,
            asserts,
            ..config
        })
    }
}

impl StreamArgs {
    /// The same run, with what these say.
    pub(super) fn config(self, config: StressConfig) -> StressConfig {
        StressConfig {
            streams: self.streams.unwrap_or_default(),
            change_tool: self
                .change_tool
                .map(|name| ToolCall { name, arguments: self.change_args.unwrap_or_default() }),
            ..config
        }
    }
}

/// The limits of the file, then those of the flags over them.
fn thresholds(file: Option<&Path>, flags: &[String]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut limits = BTreeMap::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        flatten("", &table, &mut limits).with_context(|| format!("in {}", path.display()))?;
    }
    for flag in flags {
        let wrong = || format!("{flag:?} is not a threshold: write it as sla.p95_ms=50");
        let (name, value) = flag.split_once('=').with_context(wrong)?;
        limits.insert(name.trim().to_string(), value.trim().parse().with_context(wrong)?);
    }
    let known = erlmcp_report::thresholds();
    for name in limits.keys() {
        if !known.iter().any(|threshold| threshold.id == name) {
            let there = nearest::instead(name, known.iter().map(|threshold| threshold.id));
            anyhow::bail!("there is no threshold {name:?}: {there} (all of them: docs/reference.md#checks)");
        }
    }
    Ok(limits)
}

/// `"sla.p95_ms" = 50` and `[sla] p95_ms = 50` mean the same.
fn flatten(prefix: &str, table: &toml::Table, limits: &mut BTreeMap<String, f64>) -> anyhow::Result<()> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, limits)?,
            toml::Value::Integer(number) => drop(limits.insert(name, *number as f64)),
            toml::Value::Float(number) => drop(limits.insert(name, *number)),
            _ => anyhow::bail!("{name} is not a number"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_over_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("limits.toml");
        std::fs::write(&path, "\"sla.p95_ms\" = 50\n[sla]\nerror_rate_percent = 0.1\n").expect("written");
        let limits = thresholds(Some(&path), &["sla.p95_ms=20".into()]).expect("limits");
        assert_eq!(limits["sla.p95_ms"], 20.0);
        assert_eq!(limits["sla.error_rate_percent"], 0.1);
    }

    #[test]
    fn an_unknown_limit_is_refused_with_the_names() {
        let error = thresholds(None, &["sla.p59_ms=20".into()]).expect_err("refused").to_string();
        assert!(error.contains("sla.p95_ms"), "{error}");
        assert!(thresholds(None, &["sla.p95_ms".into()]).is_err());
    }
}
