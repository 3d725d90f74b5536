//! A service's number of tasks, as a manager's engine keeps it.

use std::path::Path;

use serde_json::Value;

use super::task;
use crate::driver::engine::Engine;

/// A service as its engine describes it.
#[derive(Debug)]
pub(crate) struct Replicated {
    version: u64,
    spec: Value,
    pub(crate) replicas: u16,
}

impl Replicated {
    /// By its name or id.
    ///
    /// # Errors
    /// Where the engine is no manager, or the service has no number of replicas.
    pub(crate) async fn read(engine: &Path, service: &str) -> Result<Self, String> {
        let described = Engine::at(engine).get(&format!("/services/{service}")).await?;
        let spec = described.get("Spec").cloned().ok_or("the engine's answer has no specification of the service")?;
        let replicas = spec.pointer("/Mode/Replicated/Replicas").and_then(Value::as_u64);
        let replicas = replicas.ok_or_else(|| format!("the service {service} has no number of replicas"))?;
        let version = described.pointer("/Version/Index").and_then(Value::as_u64).unwrap_or(0);
        Ok(Self { version, spec, replicas: u16::try_from(replicas).unwrap_or(u16::MAX) })
    }

    /// The service itself has this label, with "true".
    pub(crate) fn has_label(&self, label: &str) -> bool {
        self.spec.pointer("/Labels").and_then(|labels| labels.get(label)).and_then(Value::as_str) == Some("true")
    }

    /// The containers of its tasks are given the label of those that may be broken.
    pub(super) fn is_breakable(&self) -> bool {
        let labels = self.spec.pointer("/TaskTemplate/ContainerSpec/Labels");
        labels.and_then(|labels| labels.get(task::LABEL)).and_then(Value::as_str) == Some("true")
    }

    /// Tells the engine another number, and changes nothing else.
    ///
    /// # Errors
    /// Where the engine does not take it.
    pub(crate) async fn write(mut self, engine: &Path, service: &str, replicas: u16) -> Result<(), String> {
        self.spec["Mode"]["Replicated"]["Replicas"] = replicas.into();
        let path = format!("/services/{service}/update?version={}", self.version);
        Engine::at(engine).post(&path, &self.spec.to_string()).await.map(drop)
    }

    /// Sees to it that the service is told to have so many.
    ///
    /// # Errors
    /// Where the engine does not take it.
    pub(in crate::driver) async fn set(engine: &Path, service: &str, replicas: u16) -> Result<(), String> {
        let now = Self::read(engine, service).await?;
        if now.replicas == replicas { Ok(()) } else { now.write(engine, service, replicas).await }
    }
}
