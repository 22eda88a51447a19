//! A certificate authority of the tests' own, for receivers with good and bad certificates.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate is good for.
pub enum Validity {
    Now,
    /// Until 1 January 2020.
    Expired,
    /// From 1 January 3000.
    Later,
}

/// Whom a receiver answers.
pub enum Clients {
    All,
    /// Those with a certificate of the same authority.
    Certified,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// PEM of the authority itself.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a name or address, and its key.
    fn issue(&self, name: &str, validity: &Validity) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        match validity {
            Validity::Now => {}
            Validity::Expired => params.not_after = rcgen::date_time_ymd(2020, 1, 1),
            Validity::Later => params.not_before = rcgen::date_time_ymd(3000, 1, 1),
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What a receiver at 127.0.0.1 needs that signed its certificate itself, and PEM of that: of an authority, or of a server only.
    pub fn alone(is_ca: bool) -> (Arc<ServerConfig>, String) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private);
        (Arc::new(config.unwrap()), certificate.pem())
    }

    /// PEM of a client's certificate and of its key.
    pub fn client(&self) -> (String, String) {
        let (certificate, key) = self.issue("client", &Validity::Now);
        (certificate.pem(), key.serialize_pem())
    }

    /// What a receiver of this name needs.
    pub fn server(&self, name: &str, validity: &Validity, clients: &Clients) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = match clients {
            Clients::All => builder.unwrap().with_no_client_auth(),
            Clients::Certified => {
                let mut roots = RootCertStore::empty();
                roots.add(self.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.unwrap().with_client_cert_verifier(verifier.unwrap())
            }
        };
        let (certificate, key) = self.issue(name, validity);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}
