//! Where the API of a cluster is, and what it takes to be let in.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a pod finds its account.
pub(super) const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";
/// Names of Kubernetes' own are not longer.
const NAME_MAX: usize = 63;

/// Says how to get in, and is no secret itself: the token is read from its file at each request, since it is renewed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::driver) struct Access {
    pub(super) host: String,
    pub(super) port: u16,
    /// The folder with token and certificate, for TLS; None: a proxy on this machine, which knows who its user is.
    pub(super) account: Option<PathBuf>,
    pub(super) namespace: String,
}

impl Access {
    /// By what the user said (`api`, `namespace`), else as the cluster tells its pods by `variable` and `account`.
    ///
    /// # Errors
    /// What is missing, as a sentence.
    pub(super) fn find(
        (api, namespace): (Option<&str>, Option<&str>),
        account: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let own = || std::fs::read_to_string(account.join("namespace")).ok().map(|text| text.trim().to_string());
        let namespace = namespace.map(String::from).or_else(own);
        let namespace = namespace.ok_or("the namespace is not known: name it with --kube-namespace")?;
        if !is_name(&namespace) {
            return Err(format!("{namespace:?} is no name of a namespace"));
        }
        if let Some(url) = api {
            let (host, port) = proxy(url).ok_or_else(|| {
                format!(
                    "{url:?} is not the address of `kubectl proxy` on this machine: write it as http://127.0.0.1:8001, or leave \
                     it out inside the cluster"
                )
            })?;
            return Ok(Self { host, port, account: None, namespace });
        }
        let outside = || {
            format!(
                "this is no pod of a cluster ({HOST} is not set): run `kubectl proxy` and add --kube-api http://127.0.0.1:8001"
            )
        };
        let host = variable(HOST).filter(|host| !host.is_empty()).ok_or_else(outside)?;
        let port = variable(PORT).and_then(|port| port.parse().ok()).unwrap_or(443);
        if !account.join("token").exists() {
            return Err(format!(
                "the pod has no account ({} is not there): give it a service account, as deploy/kubernetes does",
                account.display()
            ));
        }
        Ok(Self { host, port, account: Some(account.into()), namespace })
    }

    /// "/api/v1/namespaces/default/pods"
    pub(super) fn path(&self, group: &str, rest: &str) -> String {
        format!("{group}/namespaces/{}/{rest}", self.namespace)
    }

    /// For the Host field.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What Kubernetes takes as a name, so that it can stand in a path as it is.
pub(super) fn is_name(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(is_fine)
}

/// Host and port of a plain URL of this machine.
fn proxy(url: &str) -> Option<(String, u16)> {
    let (host, port) = url.strip_prefix("http://")?.trim_end_matches('/').rsplit_once(':')?;
    matches!(host, "127.0.0.1" | "localhost").then_some(("127.0.0.1".to_string(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_knows_its_cluster_and_others_name_a_proxy() {
        let folder = tempfile::tempdir().expect("a folder");
        let nobody = |_: &str| None;
        let find = |said, variable: &dyn Fn(&str) -> Option<String>| Access::find(said, folder.path(), variable);
        let why = find((None, None), &nobody).expect_err("nothing is known");
        assert!(why.contains("--kube-namespace"), "{why}");
        let access = find((Some("http://localhost:8001/"), Some("load")), &nobody).expect("a proxy");
        assert_eq!((access.authority().as_str(), &access.account), ("127.0.0.1:8001", &None));
        assert_eq!(access.path("/api/v1", "pods"), "/api/v1/namespaces/load/pods");
        for wrong in ["https://10.0.0.1:6443", "http://10.0.0.1:8001", "http://localhost"] {
            assert!(find((Some(wrong), Some("load")), &nobody).expect_err(wrong).contains("kubectl proxy"));
        }
        assert!(find((Some("http://localhost:1"), Some("a/b")), &nobody).is_err(), "it would lead elsewhere");
        std::fs::write(folder.path().join("namespace"), "prod\n").expect("it is ours");
        assert!(find((None, None), &nobody).expect_err("no pod").contains("kubectl proxy"));
        let pod = |name: &str| Some(if name == HOST { "fd00::1".to_string() } else { "6443".to_string() });
        assert!(find((None, None), &pod).expect_err("no token").contains("no account"));
        std::fs::write(folder.path().join("token"), "t0ken\n").expect("it is ours");
        let access = find((None, None), &pod).expect("a pod");
        assert_eq!((access.authority().as_str(), access.namespace.as_str()), ("[fd00::1]:6443", "prod"));
        assert!(!serde_json::to_string(&access).expect("JSON").contains("t0ken"), "it goes to the watchdog");
    }
}
