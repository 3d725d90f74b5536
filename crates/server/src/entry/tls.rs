//! The certificate of a server, which may be another one at any time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use serde::{Deserialize, Serialize};

use super::config::EntryError;
use super::files::Watched;
use crate::metrics::TlsFigures;

/// A certificate with its chain, and its private key, in PEM; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Secures connections.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    files: Mutex<(Watched, Watched)>,
    pub(crate) counts: TlsCounts,
}

/// What becomes of secured connections. Their shards all count here: a handshake costs thousands of times as much.
#[derive(Debug, Default)]
pub(crate) struct TlsCounts {
    pub(crate) open: AtomicU64,
    pub(crate) good: AtomicU64,
    pub(crate) failed: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
}

/// What new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    pub(crate) fn new(files: &TlsFiles) -> Result<Self, EntryError> {
        let mut watched = (Watched::new(files.certificate.clone()), Watched::new(files.key.clone()));
        let first = certified(&watched.0.read()?, &watched.1.read()?)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(first))));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| EntryError::Certificate(error.to_string()))?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current, files: Mutex::new(watched), counts: TlsCounts::default() })
    }

    /// A new connection's side of TLS; none where rustls does not take the configuration.
    pub(crate) fn connection(&self) -> Option<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.config)).ok()
    }

    /// Reads the files again where they have changed. Connections that are open stay as they are.
    pub(crate) fn refresh(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (certificate, key) = &mut *files;
        if certificate.changed().is_none() && key.changed().is_none() {
            return;
        }
        // Both again, whichever it was: one is no good without the other, and the second may come a moment later.
        let both = certificate.read().and_then(|chain| certified(&chain, &key.read()?));
        match both {
            Ok(other) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(other);
                self.counts.taken.fetch_add(1, Ordering::Relaxed);
                tracing::info!("another certificate is shown from now on");
            }
            Err(error) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the certificate stays as it was: {error}");
            }
        }
    }

    pub(crate) fn figures(&self) -> TlsFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TlsFigures {
            connections: read(&self.counts.open),
            handshakes_total: read(&self.counts.good),
            handshakes_failed_total: read(&self.counts.failed),
            certificates_total: read(&self.counts.taken),
            certificates_refused_total: read(&self.counts.refused),
        }
    }
}

fn certified(chain: &str, key: &str) -> Result<CertifiedKey, EntryError> {
    let wrong = |what: String| EntryError::Certificate(what);
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("its file has none".to_string()));
    }
    // What is wrong with a key is not told further than this: it might be some of it.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| wrong("its key is no PEM".to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificate and key of a name, in PEM.
    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_string()]).expect("a certificate can be made");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn shown(tls: &Tls) -> CertificateDer<'static> {
        tls.current.0.read().expect("nobody panicked").cert[0].clone()
    }

    #[test]
    fn another_certificate_is_taken_when_its_key_is_there_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = TlsFiles { certificate: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
        let put = |path: &PathBuf, text: &str| {
            // As tools do it: a new file in the place of the old one, so that no half of it is ever read.
            let aside = folder.path().join("aside");
            std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, path)).expect("written");
        };
        let ((first, first_key), (second, second_key)) = (made("a.example"), made("b.example"));
        put(&files.certificate, &first);
        put(&files.key, &first_key);
        let tls = Tls::new(&files).expect("they belong together");
        let before = shown(&tls);
        tls.refresh();
        assert_eq!((tls.figures(), shown(&tls)), (TlsFigures::default(), before.clone()), "nothing has changed");
        put(&files.certificate, &second);
        tls.refresh();
        assert_eq!((tls.figures().certificates_refused_total, shown(&tls)), (1, before.clone()), "of another key");
        put(&files.key, &second_key);
        tls.refresh();
        assert_eq!(tls.figures().certificates_total, 1);
        assert_ne!(shown(&tls), before);
        std::fs::remove_file(&files.key).expect("it was there");
        put(&files.certificate, "nothing");
        tls.refresh();
        assert_eq!(tls.figures().certificates_refused_total, 2);
    }

    #[test]
    fn what_is_no_certificate_is_said_and_no_key_is_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let (chain, key) = made("a.example");
        let (chain, good, bad) = (file("c", &chain), file("k", &key), file("b", "s3cret"));
        let why = |certificate: &PathBuf, key: &PathBuf| {
            let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
            Tls::new(&files).err().map(|error| error.to_string()).expect("it is wrong")
        };
        for said in [why(&chain, &bad), why(&bad, &good), why(&chain, &folder.path().join("none"))] {
            assert!(!said.contains("s3cret") && said.contains(" --tls-") || said.starts_with("cannot read"), "{said}");
        }
    }
}
