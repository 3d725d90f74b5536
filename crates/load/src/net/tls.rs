//! TLS to the target: what is trusted, and how a refusal of trust is said.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How connections to the target are secured.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the host {0:?} is no name that a certificate could have")]
    Name(String),
    #[error("the file of extra root certificates cannot be used: {0}")]
    Extra(String),
    #[error("this system has no root certificates that could be read: name a file of them in SSL_CERT_FILE")]
    NoRoots,
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] Error),
}

impl Tls {
    /// Trusts the system's roots and those in `ca_pem`; with `insecure`, anyone. `host` is without its port.
    ///
    /// # Errors
    /// Where there is nothing to trust, or what is to be trusted cannot be read.
    pub(crate) fn new(host: &str, ca_pem: &str, insecure: bool) -> Result<Self, TlsError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_string();
        let name = ServerName::try_from(bare).map_err(|_| TlsError::Name(host.to_string()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let mut config = if insecure {
            let anyone = Arc::new(Anyone(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        } else {
            builder.with_root_certificates(roots(ca_pem)?).with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), name })
    }

    /// The same for somebody who would rather speak HTTP/2.
    pub(crate) fn asking_for_h2(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Self { config: Arc::new(config), name: self.name.clone() }
    }

    /// A new connection's side of TLS.
    ///
    /// # Errors
    /// Where rustls does not take the configuration.
    pub(crate) fn connection(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }

    /// The same for a task: the connection with its hands shaken.
    ///
    /// # Errors
    /// Where they are not.
    pub(crate) async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await
    }
}

fn roots(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Those that cannot be read are as good as absent; at least one must be there.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !ca_pem.is_empty() {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| TlsError::Extra(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError::Extra(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(TlsError::Extra("it holds no certificate in PEM".into()));
        }
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// What a failed handshake means, as the end of a sentence, with what to do.
pub(crate) fn explain(error: &Error) -> String {
    const TRUST: &str = "name a file with its root by --cacert, or trust any by --insecure";
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => format!("its certificate is signed by nobody who is trusted: {TRUST}"),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: renew it".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: set the clock right".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another host: use the name that is in it".into()
            }
            other => format!("its certificate cannot be trusted ({other}): {TRUST}"),
        },
        Error::InvalidMessage(_) => "it does not speak TLS: is it http:// instead of https://?".into(),
        Error::AlertReceived(alert) => format!("it refused the TLS handshake ({alert:?})"),
        other => format!("TLS failed: {other}"),
    }
}

/// Trusts whoever answers, because the user has said so.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    /// A server that no one but the insecure trusts.
    pub(crate) fn server() -> ServerConfig {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the defaults are safe")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("the certificate fits its key")
    }
}
