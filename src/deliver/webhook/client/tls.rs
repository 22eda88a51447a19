//! What TLS trusts and shows: the system's certificate authorities, the user's own besides, and a client certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, Error, OtherError, RootCertStore};

use crate::config::Tls;
use crate::secret::{self, SecretError};

/// What is wrong with certificates or keys.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate { key: &'static str, path: PathBuf },
    #[error("{}: holds a certificate that is damaged", path.display())]
    BadCertificate { key: &'static str, path: PathBuf },
    #[error(
        "{}: holds a certificate of X.509 version 1, which cannot be used; have one of version 3 made (with `openssl x509 -req`, add -extfile with at least one extension)",
        .0.display()
    )]
    OldCertificate(PathBuf),
    #[error(transparent)]
    KeyFile(SecretError),
    #[error("{}: holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one with a passphrase cannot be used", .0.display())]
    NoKey(PathBuf),
    #[error(
        "{}: does not belong to the certificate of tls.cert, or is not of a kind that can be used (RSA from 2048 bits, ECDSA with P-256 or P-384, Ed25519)",
        .0.display()
    )]
    BadKey(PathBuf),
    #[error(
        "this host knows no certificate authorities; install the package ca-certificates, or name the receiver's here"
    )]
    NoRoots,
    #[error("cannot be set up: {0}")]
    Setup(Error),
}

impl TlsError {
    /// The key of the configuration at fault.
    pub fn key(&self) -> &'static str {
        match self {
            TlsError::Unreadable { key, .. }
            | TlsError::NoCertificate { key, .. }
            | TlsError::BadCertificate { key, .. } => key,
            TlsError::OldCertificate(_) => "tls.cert",
            TlsError::KeyFile(_) | TlsError::NoKey(_) | TlsError::BadKey(_) => "tls.key",
            TlsError::NoRoots | TlsError::Setup(_) => "tls.ca",
        }
    }
}

/// How connections of a sink are made; `encrypted`: whether any will be, which takes authorities to trust.
pub(super) fn config(tls: &Tls, encrypted: bool) -> Result<ClientConfig, TlsError> {
    let roots = if encrypted { roots(tls.ca.as_deref())? } else { RootCertStore::empty() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("tls.cert", cert)?;
    let pem = secret::read_key(key).map_err(TlsError::KeyFile)?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey(key.clone()))?;
    builder.with_client_auth_cert(chain, private).map_err(|error| match error {
        Error::InvalidCertificate(fault) => unusable(cert, &fault),
        _ => TlsError::BadKey(key.clone()),
    })
}

/// What is wrong with the certificate of this host.
fn unusable(path: &Path, fault: &CertificateError) -> TlsError {
    let other = if let CertificateError::Other(OtherError(error)) = fault { error.downcast_ref() } else { None };
    match other {
        Some(webpki::Error::UnsupportedCertVersion) => TlsError::OldCertificate(path.to_owned()),
        _ => TlsError::BadCertificate { key: "tls.cert", path: path.to_owned() },
    }
}

/// The system's authorities, without those that cannot be read, and the user's own.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for certificate in certificates("tls.ca", path)? {
            let bad = |_| TlsError::BadCertificate { key: "tls.ca", path: path.to_owned() };
            roots.add(certificate).map_err(bad)?;
        }
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { key, path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(unreadable)?;
    let none = || TlsError::NoCertificate { key, path: path.to_owned() };
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}
