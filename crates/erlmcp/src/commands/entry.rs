//! Who may come in: from flags to what the server is told, and `token`.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::bail;
use erlmcp_server::{EntryConfig, JwtConfig, Limits, TlsFiles, new_token};

use crate::args::{EntryArgs, TokenArgs};
use crate::console;

impl EntryArgs {
    /// What the server is told.
    pub(crate) fn config(&self) -> EntryConfig {
        let jwt = self.jwks.clone().map(|keys| JwtConfig {
            keys,
            issuer: self.jwt_issuer.clone().unwrap_or_default(),
            audience: self.jwt_audience.clone().unwrap_or_default(),
            algorithms: self.jwt_alg.clone(),
        });
        let mut authorization_servers = self.authorization_server.clone();
        if authorization_servers.is_empty() {
            authorization_servers.extend(self.jwt_issuer.clone());
        }
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        EntryConfig {
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
            tokens: self.tokens.clone(),
            jwt,
            scopes: self.require_scope.clone(),
            resource: self.resource.clone(),
            authorization_servers,
        }
    }

    pub(super) fn limit(&self, limits: &mut Limits) {
        let typed = [
            (self.principal_requests, &mut limits.principal_requests_max),
            (self.principal_streams, &mut limits.principal_streams_max),
            (self.principal_sessions, &mut limits.principal_sessions_max),
            (self.principal_sessions_held, &mut limits.principal_sessions_held_max),
        ];
        for (typed, limit) in typed {
            *limit = typed.unwrap_or(*limit);
        }
    }

    /// Refuses to listen for other machines without asking who comes.
    pub(super) fn may_listen(&self, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        let asks = self.tokens.is_some() || self.jwks.is_some();
        match open(addresses) {
            Some(open) if !asks && !self.insecure_open => bail!(
                "{open} is not this machine alone, and nobody would be asked for a token: give --tokens or --jwks, \
                 or say --insecure-open where whoever can reach it may use it"
            ),
            _ => Ok(()),
        }
    }

    /// The same for what operators look at: nobody is asked for a token there in any case.
    pub(super) fn may_show(&self, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        match open(addresses) {
            Some(open) if !self.insecure_open => bail!(
                "{open} is not this machine alone, and nobody is asked for a token at --admin-listen: name an address of \
                 this machine, or say --insecure-open where whoever can reach it may look"
            ),
            _ => Ok(()),
        }
    }
}

/// The first address that other machines may reach.
fn open(addresses: &[SocketAddr]) -> Option<&SocketAddr> {
    addresses.iter().find(|address| !address.ip().is_loopback())
}

pub(crate) fn token(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let (token, line) = new_token(&args.principal, &args.scope, args.lifetime);
    console::line(format_args!("the token, which is shown this once:   {token}"));
    console::line(format_args!("its line for the file of --tokens:     {line}"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_come_in_with_a_token_or_a_word() {
        let open: SocketAddr = "0.0.0.0:80".parse().expect("an address");
        let own: SocketAddr = "127.0.0.1:80".parse().expect("an address");
        let none = EntryArgs::default();
        assert!(none.may_listen(&[own]).is_ok());
        let refused = none.may_listen(&[own, open]).expect_err("open").to_string();
        assert!(refused.contains("0.0.0.0:80") && refused.contains("--insecure-open"), "{refused}");
        assert!(EntryArgs { insecure_open: true, ..none.clone() }.may_listen(&[open]).is_ok());
        let asking = EntryArgs { tokens: Some("f".into()), ..none.clone() };
        assert!(asking.may_listen(&[open]).is_ok());
        let refused = asking.may_show(&[own, open]).expect_err("nobody is asked there").to_string();
        assert!(refused.contains("--admin-listen") && refused.contains("--insecure-open"), "{refused}");
        assert!(none.may_show(&[own]).is_ok());
        assert!(EntryArgs { insecure_open: true, ..none }.may_show(&[open]).is_ok());
    }
}
