//! The API of a cluster, as far as it is asked: plain requests for JSON by the agents' own client.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::agent::Courier;
use erlmcp_load::proto;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::access::Access;
use crate::collector::whole_answer;

/// A cluster at its limit takes a while.
pub(in crate::driver) const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
const AT_ONCE: u32 = 8;
const NOT_FOUND: u16 = 404;
const JSON: &str = "application/json";
/// RFC 7386: what is not named stays as it is, and null takes away.
const PATCH: &str = "application/merge-patch+json";

/// One cluster's API. All copies are one.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) access: Access,
    courier: Arc<Courier>,
    /// Requests are made on threads of their own, which go on when nobody waits for them any more: by these it is known of
    /// them.
    slots: Arc<Semaphore>,
}

impl Api {
    /// # Errors
    /// Where the way there is not known, or whom to trust on it.
    pub(super) async fn open(access: Access) -> Result<Self, String> {
        let (way, within) = (access.clone(), ANSWERED_WITHIN);
        let opened = tokio::task::spawn_blocking(move || Courier::new(&setup(&way)?, within)).await;
        let courier = opened.map_err(|error| format!("an internal error: {error}"))?.map_err(unusable)?;
        Ok(Self { access, courier: Arc::new(courier), slots: Arc::new(Semaphore::new(AT_ONCE as usize)) })
    }

    /// # Errors
    /// Why there is no good answer, as a sentence; the API's own, where it has one.
    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        good("GET", path, self.request(("GET", path), None).await?)
    }

    /// None: there is nothing of that name.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>, String> {
        let (status, value) = self.request(("GET", path), None).await?;
        if status == NOT_FOUND { Ok(None) } else { good("GET", path, (status, value)).map(Some) }
    }

    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        good("POST", path, self.request(("POST", path), Some((JSON, body))).await?)
    }

    /// False: there was nothing of that name.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<bool, String> {
        is_there("PATCH", path, self.request(("PATCH", path), Some((PATCH, body))).await?)
    }

    /// False: there was nothing of that name.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn delete(&self, path: &str, options: &Value) -> Result<bool, String> {
        is_there("DELETE", path, self.request(("DELETE", path), Some((JSON, options))).await?)
    }

    /// When no request is under way any more.
    pub(super) async fn idle(&self) {
        drop(self.slots.acquire_many(AT_ONCE).await);
    }

    async fn request(
        &self,
        (method, path): (&str, &str),
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value), String> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(unusable)?;
        let (content, body) = body.map_or((JSON, String::new()), |(content, body)| (content, body.to_string()));
        let rest = format!("Content-Type: {content}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let fields = format!("Host: {}\r\nUser-Agent: erlmcp\r\nAccept: {JSON}", self.access.authority());
        let head = format!("{method} {path} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n");
        let (courier, account) = (Arc::clone(&self.courier), self.access.account.clone());
        let answered = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let token = account.map(|account| token(&account)).transpose()?.unwrap_or_default();
            let request = format!("{head}{token}{rest}");
            courier.carry(request.as_bytes(), |bytes, is_end| whole_answer(bytes, is_end).transpose())?
        });
        let answered = answered.await.map_err(|error| format!("an internal error: {error}"))?.map_err(unusable)?;
        Ok((answered.status, serde_json::from_slice(&answered.body).unwrap_or(Value::Null)))
    }
}

fn setup(access: &Access) -> Result<proto::Setup, String> {
    let found = (access.host.as_str(), access.port).to_socket_addrs();
    let found = found.map_err(|error| format!("{} leads nowhere: {error}", access.host))?;
    let endpoint = |address: SocketAddr| proto::Endpoint { replica: 0, address: address.to_string() };
    let mut setup = proto::Setup {
        endpoints: found.map(endpoint).collect(),
        authority: access.authority(),
        allow_foreign: true,
        ..proto::Setup::default()
    };
    if let Some(account) = &access.account {
        let certificate = account.join("ca.crt");
        let pem = std::fs::read_to_string(&certificate);
        setup.ca_pem = pem.map_err(|error| format!("{} cannot be read: {error}", certificate.display()))?;
        setup.tls = true;
    }
    Ok(setup)
}

/// A line of the head.
fn token(account: &std::path::Path) -> Result<String, String> {
    let file = account.join("token");
    let token =
        std::fs::read_to_string(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let token = token.trim();
    // It must not be able to end its line.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{} holds no token", file.display()));
    }
    Ok(format!("Authorization: Bearer {token}\r\n"))
}

fn unusable(why: impl std::fmt::Display) -> String {
    format!("the Kubernetes API cannot be used: {why}")
}

fn is_there(method: &str, path: &str, (status, value): (u16, Value)) -> Result<bool, String> {
    if status == NOT_FOUND { Ok(false) } else { good(method, path, (status, value)).map(|_| true) }
}

fn good(method: &str, path: &str, (status, value): (u16, Value)) -> Result<Value, String> {
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let why = value.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
    Err(format!("the Kubernetes API refused {method} {path} with {status}: {why}"))
}
