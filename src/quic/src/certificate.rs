//! What the endpoints show: a certificate from files, or one of their own that clients may pin.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::ALPN;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that cannot be read.
    #[error("cannot read PEM from {}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without a certificate.
    #[error("no certificate in {}", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The certificate and the key do not fit.
    #[error("the certificate and the key cannot be used together")]
    Unusable(#[from] rustls::Error),
    /// None could be made.
    #[error("cannot make a certificate")]
    Generation(#[from] rcgen::Error),
    /// The cryptographic library lacks what QUIC begins with.
    #[error("no cipher suite for QUIC")]
    NoSuite(#[from] NoInitialCipherSuite),
}

/// A TLS configuration and the SHA-256 of the certificate in it.
pub(crate) struct Certificate {
    pub(crate) tls: Arc<QuicServerConfig>,
    pub(crate) fingerprint: [u8; 32],
}

impl Certificate {
    pub(crate) fn load(files: Option<&(PathBuf, PathBuf)>) -> Result<Self, CertificateError> {
        let (chain, key) = match files {
            Some((chain, key)) => (read_chain(chain)?, read_key(key)?),
            None => generate()?,
        };
        let fingerprint = Sha256::digest(chain.first().map(AsRef::as_ref).unwrap_or(&[])).into();
        let mut tls =
            rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A session message that is replayed would join twice: nothing is taken before the handshake is done.
        tls.max_early_data_size = 0;
        Ok(Self { tls: Arc::new(tls.try_into()?), fingerprint })
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bad = |source| CertificateError::Pem { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(path).map_err(bad)?.collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(bad)?;
    if chain.is_empty() {
        Err(CertificateError::Empty { path: path.to_owned() })
    } else {
        Ok(chain)
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|source| CertificateError::Pem { path: path.to_owned(), source })
}

/// ECDSA P-256, rcgen's default, which every TLS stack takes.
fn generate() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    Ok((vec![made.cert.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }

    #[test]
    fn a_certificate_is_made_when_none_is_given() {
        provider();
        let (one, two) = (Certificate::load(None).unwrap(), Certificate::load(None).unwrap());
        assert_ne!(one.fingerprint, two.fingerprint);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        provider();
        let missing = PathBuf::from("/nowhere/chain.pem");
        let said = |files| Certificate::load(Some(&files)).err().map(|e| e.to_string());
        let expect = Some("cannot read PEM from /nowhere/chain.pem".to_owned());
        assert_eq!(said((missing.clone(), missing)), expect);
    }
}
