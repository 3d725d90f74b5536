//! The way from one process of a cluster to another: plain, or secured where the cluster's listeners are.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How the processes of a cluster reach each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside(Option<Arc<ClientConfig>>);

impl Inside {
    pub(crate) fn new(is_secured: bool) -> Self {
        if !is_secured {
            return Self::default();
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        // The provider has the versions that are wanted of it: this is no guess.
        let builder = builder.with_safe_default_protocol_versions().expect("ring has all that TLS 1.2 and 1.3 need");
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Own(provider)));
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Some(Arc::new(config)))
    }

    /// Goes on over an established connection. The handshake comes with the first reading.
    pub(crate) fn over(&self, socket: TcpStream, to: SocketAddr) -> io::Result<Insider> {
        let Some(config) = &self.0 else { return Ok(Insider { socket, tls: None }) };
        let tls = ClientConnection::new(Arc::clone(config), ServerName::IpAddress(to.ip().into()));
        let mut tls = tls.map_err(io::Error::other)?;
        // A request that is passed on has its own limit.
        tls.set_buffer_limit(None);
        Ok(Insider { socket, tls: Some(Box::new(tls)) })
    }
}

/// A connection to another process of the cluster.
#[derive(Debug)]
pub(crate) struct Insider {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Insider {
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.socket.write_all(bytes).await };
        tls.writer().write_all(bytes)?;
        flush(tls, &self.socket).await
    }

    /// 0 at the end.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer).await };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            self.socket.readable().await?;
            match tls.read_tls(&mut Trying(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    read?;
                    tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                }
            }
            flush(tls, &self.socket).await?;
        }
    }
}

async fn flush(tls: &mut ClientConnection, socket: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        socket.writable().await?;
        match tls.write_tls(&mut Trying(socket)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A socket that does not wait.
struct Trying<'a>(&'a TcpStream);

impl Read for Trying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Trusts whoever answers: the supervisor holds the sockets of all these addresses, which are this machine's alone, as
/// long as the cluster lives. The certificate is for the name that clients know the cluster by, not for them.
#[derive(Debug)]
struct Own(Arc<CryptoProvider>);

impl ServerCertVerifier for Own {
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
