//! A service of Docker Swarm: its replicas by DNS, their number through the engine.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::net::lookup_host;
use tokio::task::JoinSet;

use super::Load;
use crate::collector::{Page, Way};
use crate::driver::Replicated;

const STATUS_WITHIN: Duration = Duration::from_secs(2);
/// Tasks that are asked; a service with more is not scaled by this.
const TASKS_MAX: usize = 1_000;
/// Only a service that has this label, with "true", is changed.
const LABEL: &str = "erlmcp.autoscale";

/// The service, as the engine and as DNS name it.
#[derive(Debug, Clone)]
pub struct SwarmService {
    /// Of the engine: "erlmcp_erlmcp-server".
    pub service: String,
    /// In the service's network: "tasks.erlmcp-server".
    pub name: String,
    /// That its replicas listen on.
    pub port: u16,
    /// The engine's socket, of a manager.
    pub engine: PathBuf,
    /// Where its replicas ask for a token: one with the scope `metrics`.
    pub bearer: Option<String>,
    /// Where its replicas speak TLS: whose certificates for `name` are good.
    pub tls: Option<Trust>,
}

/// Whom to trust.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Root certificates beside the system's, PEM; empty for none.
    pub ca_pem: String,
    /// Any certificate is good.
    pub insecure: bool,
}

impl SwarmService {
    /// How its replicas are spoken to.
    pub(super) async fn way(&self) -> Result<Way, String> {
        let Some(Trust { ca_pem, insecure }) = &self.tls else { return Ok(Way::default()) };
        Way::secured(&self.authority(), ca_pem, *insecure).await
    }

    /// By the name that its clients know it by: a server refuses other ones.
    fn authority(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }

    pub(super) async fn look(&self, way: &Way) -> Result<Load, String> {
        let replicas = Replicated::read(&self.engine, &self.service).await?.replicas;
        let found = lookup_host((self.name.as_str(), self.port)).await;
        let found = found.map_err(|error| format!("the name {} leads nowhere: {error}", self.name))?;
        let fields = self.bearer.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let mut asked = JoinSet::new();
        for address in found.filter(std::net::SocketAddr::is_ipv4).take(TASKS_MAX) {
            let page = Page { host: self.authority(), ..way.page(address, "/status") };
            let fields = fields.clone();
            asked.spawn(async move { page.get_with(&fields, STATUS_WITHIN).await });
        }
        let there = asked.len();
        let answers: Vec<_> = asked.join_all().await.into_iter().flatten().collect();
        let asks_for_more = answers.iter().any(|answered| matches!(answered.status, 401 | 403));
        let full = answers.iter().filter(|answered| answered.status == 503).count() as u16;
        let answers = answers.into_iter().filter(|answered| answered.status == 200);
        let mut load = Load { replicas, full, ..Load::default() };
        for status in answers.filter_map(|answered| serde_json::from_slice::<Value>(&answered.body).ok()) {
            let figure = |at: &str| status.pointer(at).and_then(Value::as_u64).unwrap_or(0);
            load.told += 1;
            load.connections += figure("/connections/mcp");
            load.queue_depth += figure("/queue/depth");
            load.queue_limit += figure("/queue/limit");
        }
        load.silent = there as u16 - load.told - full;
        match load.told + full {
            0 if asks_for_more => Err(format!(
                "the tasks at {} refuse to say how they are: give a token with the scope `metrics` by --bearer-file, and \
                 start them with --allowed-host={}",
                self.name, self.name
            )),
            0 => Err(format!("none of the tasks at {} says how it is", self.name)),
            _ => Ok(load),
        }
    }

    pub(super) async fn scale(&self, replicas: u16) -> Result<(), String> {
        let now = Replicated::read(&self.engine, &self.service).await?;
        if !now.has_label(LABEL) {
            return Err(format!(
                "the service {} is not to be scaled by others: it lacks the label {LABEL}=true",
                self.service
            ));
        }
        now.write(&self.engine, &self.service, replicas).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::driver::FakeEngine;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Says how it is to who has the token.
    async fn replica(refusal: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1_024];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]);
                assert!(request.contains(&format!("Host: 127.0.0.1:{port}\r\n")));
                let body = json!({"connections": {"mcp": 70}, "queue": {"depth": 3, "limit": 500}}).to_string();
                let is_let_in = request.contains("\r\nAuthorization: Bearer a-token\r\n");
                let status = if is_let_in { "200 OK" } else { refusal };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        port
    }

    fn service(label: &str) -> Value {
        let spec = json!({"Name": "s", "Labels": {LABEL: label}, "Mode": {"Replicated": {"Replicas": 2}},
            "TaskTemplate": {"ForceUpdate": 0}});
        json!({"ID": "x", "Version": {"Index": 41}, "Spec": spec})
    }

    #[tokio::test]
    async fn replicas_are_asked_by_name_and_their_number_is_changed_and_nothing_else() {
        let described = Arc::new(Mutex::new(service("true")));
        let engine = FakeEngine::new(Arc::clone(&described));
        let port = replica("401 Unauthorized").await;
        let bearer = Some("a-token".to_string());
        let (name, path) = ("127.0.0.1".to_string(), engine.path());
        let swarm = SwarmService { service: "s".to_string(), name, port, engine: path, bearer, tls: None };
        let way = swarm.way().await.expect("it is plain");
        let load = swarm.look(&way).await.expect("the engine and one task answer");
        let told = Load { replicas: 2, told: 1, connections: 70, queue_depth: 3, queue_limit: 500, ..Load::default() };
        assert_eq!(load, told);
        swarm.scale(5).await.expect("it has the label");
        let mut wanted = service("true")["Spec"].clone();
        wanted["Mode"]["Replicated"]["Replicas"] = json!(5);
        assert_eq!(engine.posted(), [("/v1.41/services/s/update?version=41".to_string(), wanted)]);
        *described.lock().expect("no test panics here") = service("no");
        let why = swarm.scale(6).await.expect_err("it lacks the label");
        assert!(why.contains("erlmcp.autoscale=true"), "{why}");
        assert_eq!(engine.posted().len(), 1);
        let why = SwarmService { bearer: None, ..swarm.clone() }.look(&way).await.expect_err("it asks for a token");
        assert!(why.contains("--bearer-file"), "{why}");
        let full = replica("503 Service Unavailable").await;
        let load =
            SwarmService { bearer: None, port: full, ..swarm.clone() }.look(&way).await.expect("it has too much to do");
        assert_eq!(load, Load { replicas: 2, full: 1, ..Load::default() });
        let nobody = SwarmService { port: 1, ..swarm };
        assert!(nobody.look(&way).await.is_err());
    }
}
