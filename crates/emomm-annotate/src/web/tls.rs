//! Built-in TLS: a certificate chain and a key in PEM.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::AnnotateError;

/// TLS 1.2 and 1.3 with rustls' defaults.
pub(super) fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, AnnotateError> {
    let failed = |path: &Path, message: String| AnnotateError::Serve {
        message: format!("{}: {message}", path.display()),
        hint: "give PEM files: the certificate with its chain, and its unencrypted private key".to_owned(),
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|e| failed(chain, e.to_string()))?;
    if certificates.is_empty() {
        return Err(failed(chain, "no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| failed(key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(chain, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|e| failed(chain, e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
