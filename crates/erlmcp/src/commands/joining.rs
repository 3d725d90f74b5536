//! The secrets that a run and its agents share, from files. None of them is ever said again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use erlmcp_orchestrator::{Joining, JoiningTls};

use super::reaching::{read, word};
use crate::args::JoiningArgs;

/// As long as it takes to start some machines.
const WAIT: Duration = Duration::from_secs(300);
const TOKEN_MAX: usize = 4_096;

impl JoiningArgs {
    /// None: the run starts its own agents.
    pub(super) fn joining(&self) -> anyhow::Result<Option<Joining>> {
        let (Some(listen), Some(file)) = (self.agents_listen, &self.agents_token_file) else { return Ok(None) };
        let tls = match (&self.agents_cert, &self.agents_key) {
            (Some(certificate), Some(key)) => Some(JoiningTls {
                certificate: pem(certificate)?,
                key: pem(key)?,
                agents_ca: self.agents_ca.as_deref().map(pem).transpose()?,
            }),
            _ => None,
        };
        Ok(Some(Joining { listen, token: token(file)?, wait: self.agents_wait.unwrap_or(WAIT), tls }))
    }
}

/// The one word that a file holds.
pub(super) fn token(path: &Path) -> anyhow::Result<String> {
    let token = word(&read(path)?, TOKEN_MAX);
    token.with_context(|| format!("{} holds no token: one word of ASCII is expected, and nothing else", path.display()))
}

/// A file that has PEM in it.
pub(super) fn pem(path: &Path) -> anyhow::Result<String> {
    let text = read(path)?;
    ensure!(text.contains("-----BEGIN "), "{} holds no PEM", path.display());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").expect("written");
        assert_eq!(token(&path).expect("a token"), "s3cret");
        std::fs::write(&path, "s3cret word").expect("written");
        let error = token(&path).expect_err("two words").to_string();
        assert!(error.contains("no token") && !error.contains("s3cret"), "{error}");
        assert!(pem(&path).expect_err("no PEM").to_string().contains("no PEM"));
    }
}
