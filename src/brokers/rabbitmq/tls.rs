//! One TLS configuration for AMQP and HTTP: certificates are always verified.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::errors;
use super::identity::Identity;
use crate::scaling::observation::Unknown;

/// With a private CA only that CA is trusted; without one, the system's roots.
pub fn client_config(identity: &Identity) -> Result<ClientConfig, Unknown> {
    let roots = match &identity.ca {
        Some(pem) => private_roots(pem)?,
        None => system_roots()?,
    };
    let verified = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| errors::tls_invalid("the crypto provider speaks neither TLS 1.2 nor 1.3"))?
        .with_root_certificates(roots);
    match &identity.client {
        None => Ok(verified.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "tls.crt holds no PEM certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| errors::tls_invalid("tls.key holds no PEM private key"))?;
            verified
                .with_client_auth_cert(chain, key)
                .map_err(|_| errors::tls_invalid("tls.key does not belong to tls.crt"))
        }
    }
}

/// For connections without TLS, where a client library insists on a configuration: trusts nobody.
pub fn unused() -> Option<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().ok()?;
    Some(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The provider that the process installed; the same one if it installed none.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn private_roots(pem: &[u8]) -> Result<RootCertStore, Unknown> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(pem, "ca.crt holds no PEM certificate")?);
    if added == 0 {
        return Err(errors::tls_invalid("no certificate in ca.crt can be used as a CA"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, Unknown> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(errors::tls_invalid("the system has no CA certificates and the pool names none (ca.crt)"));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], otherwise: &'static str) -> Result<Vec<CertificateDer<'static>>, Unknown> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(errors::tls_invalid(otherwise)),
    }
}

/// What went wrong with TLS, if that is what `error` comes from.
pub fn failure(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(reason(tls));
        }
        // An I/O error hides what it wraps from `source`.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn reason(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by an unknown CA: put that CA into ca.crt"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name: use the name in the certificate",
        Error::InvalidCertificate(_) => "its certificate is not valid",
        Error::InvalidMessage(_) => "it does not speak TLS on this port",
        Error::AlertReceived(_) => "it refuses us: it may want a client certificate (tls.crt, tls.key)",
        _ => "the handshake failed",
    }
}
