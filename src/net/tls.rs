//! One TLS configuration for every connection to a broker: certificates are always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What a Secret or a mounted folder gives: `ca.crt`, `tls.crt`, `tls.key`, all optional, PEM.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The only CA to trust; `None` = the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Our own certificate and its key.
    pub client_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

/// Which file cannot be used, and why; never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsInvalid(String);

impl TlsFiles {
    /// Read for every connection: certificates rotate. `None` and an empty folder give nothing.
    pub fn read(folder: Option<&Path>) -> Result<Self, TlsInvalid> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let read = |name: &str| match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TlsInvalid(format!("{}: {}", folder.join(name).display(), error.kind()))),
        };
        let client_pem = match (read("tls.crt")?, read("tls.key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(invalid("tls.crt and tls.key belong together; one is missing")),
        };
        Ok(Self { ca_pem: read("ca.crt")?, client_pem })
    }

    pub fn is_empty(&self) -> bool {
        self.ca_pem.is_none() && self.client_pem.is_none()
    }
}

/// With a private CA only that CA is trusted; without one, the system's roots.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsInvalid> {
    let roots = match &files.ca_pem {
        Some(pem) => private_roots(pem)?,
        None => system_roots()?,
    };
    let verified = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| invalid("the crypto provider speaks neither TLS 1.2 nor 1.3"))?
        .with_root_certificates(roots);
    match &files.client_pem {
        None => Ok(verified.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "tls.crt holds no PEM certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| invalid("tls.key holds no PEM private key"))?;
            verified.with_client_auth_cert(chain, key).map_err(|_| invalid("tls.key does not belong to tls.crt"))
        }
    }
}

/// For connections without TLS, where a client library insists on a configuration: trusts nobody.
pub fn unused() -> Option<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().ok()?;
    Some(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn invalid(what: &str) -> TlsInvalid {
    TlsInvalid(what.to_owned())
}

/// The provider that the process installed; the same one if it installed none.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn private_roots(pem: &[u8]) -> Result<RootCertStore, TlsInvalid> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(pem, "ca.crt holds no PEM certificate")?);
    if added == 0 {
        return Err(invalid("no certificate in ca.crt can be used as a CA"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsInvalid> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(invalid("the system has no CA certificates and no ca.crt is given"));
    }
    Ok(roots)
}

fn certificates(pem: &[u8], otherwise: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsInvalid> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(invalid(otherwise)),
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
            "its certificate is signed by an unknown CA: give the broker's CA as ca.crt"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_gives_nothing_and_half_a_pair_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(TlsFiles::read(Some(folder.path())).unwrap().is_empty());
        std::fs::write(folder.path().join("tls.crt"), "x").unwrap();
        assert!(TlsFiles::read(Some(folder.path())).unwrap_err().to_string().contains("one is missing"));
    }

    #[test]
    fn a_ca_that_is_none_is_refused_by_name() {
        for text in ["", "not pem"] {
            let files = TlsFiles { ca_pem: Some(text.as_bytes().to_vec()), client_pem: None };
            let error = client_config(&files).err().unwrap().to_string();
            assert!(error.contains("ca.crt"), "{error}");
        }
    }
}
