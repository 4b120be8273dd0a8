//! SIP over TLS (RFC 5630): our certificate for those who call us, theirs checked when we call.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Options;

/// Why TLS is not set up right.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing to show to those who call.
    #[error("SIP over TLS needs a certificate and its key: set both, or listen on no TLS address")]
    NoCertificate,
    /// A file that cannot be read.
    #[error("cannot read PEM from {}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not fit.
    #[error("the certificate and the key cannot be used together")]
    Unusable(#[from] rustls::Error),
}

/// Both sides of TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// For connections that we accept; `None` when we listen on no TLS address.
    pub(super) acceptor: Option<TlsAcceptor>,
    /// For connections that we open.
    pub(super) connector: TlsConnector,
}

impl Tls {
    pub(super) fn load(options: &Options) -> Result<Self, TlsError> {
        let acceptor = match (&options.certificate, options.tls.is_empty()) {
            (_, true) => None,
            (None, false) => return Err(TlsError::NoCertificate),
            (Some((chain, key)), false) => Some(acceptor(chain, key)?),
        };
        let mut roots = RootCertStore::empty();
        let authorities = match &options.authorities {
            Some(path) => certificates(path)?,
            None => certificates(Path::new(SYSTEM)).unwrap_or_default(),
        };
        // A bundle may hold certificates that the library does not take; the rest still counts.
        roots.add_parsable_certificates(authorities);
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { acceptor, connector: TlsConnector::from(Arc::new(client)) })
    }
}

/// Where Debian keeps the authorities that it trusts.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let pem = |source| TlsError::Pem { path: key.to_owned(), source };
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem)?;
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(certificates(chain)?, private)?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)
}
