//! Why there was no TLS connection: in words, with what to do. Never what the library calls it.

use jiff::Timestamp;
use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};
use webpki::Error as Chain;

pub fn text(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => format!("the receiver's certificate {}", fault(certificate)),
        Error::AlertReceived(alert) => ended(*alert).into(),
        Error::InvalidMessage(_) => "no TLS is spoken at this port; is the URL's port right?".into(),
        Error::PeerIncompatible(_) => NOTHING_IN_COMMON.into(),
        Error::NoCertificatesPresented => "the receiver showed no certificate; it has to be set up there".into(),
        Error::UnsupportedNameType => "no certificate can be for the URL's host; use the receiver's name".into(),
        Error::NoApplicationProtocol => "the receiver does not speak HTTP/1.1 over TLS".into(),
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => {
            "the receiver, or something before it, does not keep to the rules of TLS; see its logs".into()
        }
        Error::General(what) => format!("TLS failed: {what}"),
        // The rest is about this side, or about what is not used: lists of revoked certificates, encrypted hellos.
        _ => "TLS failed on this host".into(),
    }
}

const NOTHING_IN_COMMON: &str =
    "the receiver and this host have no version or cipher of TLS in common; it has to take TLS 1.2 or 1.3";

/// The receiver has said why it goes no further.
fn ended(alert: Alert) -> &'static str {
    match alert {
        Alert::ProtocolVersion | Alert::InsufficientSecurity => NOTHING_IN_COMMON,
        Alert::UnrecognisedName => "the receiver serves no host of this name; check the URL's host",
        Alert::CertificateRequired | Alert::NoCertificate => {
            "the receiver asks for a client certificate; set tls.cert and tls.key"
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => "the receiver does not take our certificate; check tls.cert and tls.key",
        Alert::HandshakeFailure => {
            "the receiver ended TLS: nothing in common, or it asks for a client certificate; check tls.cert and tls.key"
        }
        _ => "the receiver ended TLS; its logs may say why",
    }
}

/// What is wrong with the receiver's certificate; its subject stands before.
fn fault(error: &Certificate) -> String {
    let fault = match error {
        Certificate::ExpiredContext { not_after, .. } => {
            return format!("expired{}; it has to be renewed there", on(not_after.as_secs()));
        }
        Certificate::NotValidYetContext { not_before, .. } => {
            return format!("is valid only later{}; check this host's clock", on(not_before.as_secs()));
        }
        Certificate::Expired => "expired; it has to be renewed there",
        Certificate::NotValidYet => "is not valid yet; check this host's clock",
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "is for another name; check the URL's host"
        }
        Certificate::UnknownIssuer => {
            "is signed by itself, or by an authority that this host does not know: name that one's certificate in tls.ca; \
             or the receiver does not send the authorities in between"
        }
        Certificate::BadSignature => "is not signed by the authority that it names; is the one in tls.ca an old one?",
        Certificate::Revoked => "was revoked; it has to be replaced there",
        Certificate::BadEncoding => "is damaged; it has to be replaced there",
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "is not one for servers; have one issued with extendedKeyUsage = serverAuth"
        }
        #[expect(deprecated, reason = "the library gives both")]
        Certificate::UnsupportedSignatureAlgorithm
        | Certificate::UnsupportedSignatureAlgorithmContext { .. }
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that cannot be checked, or is no longer safe (SHA-1); have one issued with SHA-256"
        }
        Certificate::UnhandledCriticalExtension => {
            "demands what cannot be checked here (a critical extension); have another one issued"
        }
        Certificate::Other(other) => other.0.downcast_ref().map_or(UNUSABLE, chain),
        _ => UNUSABLE,
    };
    fault.into()
}

const UNUSABLE: &str = "cannot be used; `openssl s_client -connect HOST:PORT -showcerts` shows it";

/// What rustls has no word of its own for.
fn chain(error: &Chain) -> &'static str {
    match error {
        Chain::CaUsedAsEndEntity => {
            "is that of an authority (CA:TRUE, as `openssl req -x509` makes it), which is no server's, also in tls.ca: make it \
             anew with -addext basicConstraints=critical,CA:FALSE and name it in tls.ca, or have an authority issue one"
        }
        Chain::EndEntityUsedAsCa => "was issued with a certificate that is no authority's; have an authority issue one",
        Chain::UnsupportedCertVersion => {
            "is of X.509 version 1; have one issued of version 3, with the name as subjectAltName"
        }
        Chain::PathLenConstraintViolated | Chain::NameConstraintViolation | Chain::EmptyEkuExtension => {
            "is one that its authority may not issue; have one issued by another"
        }
        Chain::MaximumPathDepthExceeded
        | Chain::MaximumPathBuildCallsExceeded
        | Chain::MaximumSignatureChecksExceeded
        | Chain::MaximumNameConstraintComparisonsExceeded => {
            "comes with too many others; the receiver has to send its own and those between it and its authority only"
        }
        Chain::ExtensionValueInvalid
        | Chain::MalformedDnsIdentifier
        | Chain::MalformedExtensions
        | Chain::MalformedNameConstraint
        | Chain::InvalidNetworkMaskConstraint
        | Chain::InvalidSerialNumber
        | Chain::SignatureAlgorithmMismatch => "is damaged; it has to be replaced there",
        _ => UNUSABLE,
    }
}

/// ` on 2026-01-31`
fn on(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(|time| format!(" on {}", time.strftime("%Y-%m-%d"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{OtherError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    #[test]
    fn nothing_is_told_in_the_words_of_the_library() {
        let other = |error| Certificate::Other(OtherError(Arc::new(error)));
        let certificates = [
            Certificate::BadEncoding,
            Certificate::UnhandledCriticalExtension,
            Certificate::UnknownRevocationStatus,
            Certificate::ApplicationVerificationFailure,
            Certificate::InvalidPurpose,
            other(Chain::CaUsedAsEndEntity),
            other(Chain::EndEntityUsedAsCa),
            other(Chain::UnsupportedCertVersion),
            other(Chain::MaximumPathDepthExceeded),
            other(Chain::NameConstraintViolation),
            other(Chain::InvalidSerialNumber),
            other(Chain::UnsupportedCrlVersion),
            Certificate::Other(OtherError(Arc::new(std::fmt::Error))),
        ];
        let errors = certificates.into_iter().map(Error::InvalidCertificate).chain([
            Error::AlertReceived(Alert::HandshakeFailure),
            Error::AlertReceived(Alert::UnknownCA),
            Error::AlertReceived(Alert::from(200)),
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Error::PeerMisbehaved(PeerMisbehaved::BadCertChainExtensions),
            Error::DecryptError,
            Error::FailedToGetRandomBytes,
            Error::Other(OtherError(Arc::new(std::fmt::Error))),
        ]);
        for error in errors {
            let text = text(&error);
            let is_debug = |word: &str| {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                // `BadEncoding`, `Other(…`: a capital behind a small letter.
                let humps =
                    word.as_bytes().windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
                humps
                    && !["basicConstraints=critical,CA:FALSE", "extendedKeyUsage", "subjectAltName", "serverAuth"]
                        .contains(&word)
            };
            assert!(text.len() > 20 && !text.split_whitespace().any(is_debug), "{error:?}: {text}");
        }
    }
}
