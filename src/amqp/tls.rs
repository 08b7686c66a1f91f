//! TLS towards the broker. A given CA is the only one trusted; without one, the system's are.

use std::path::Path;
use std::sync::Arc;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// What a TLS folder holds: `ca.crt`, `tls.crt`, `tls.key`, all optional, PEM.
#[derive(Clone, Default)]
pub struct TlsFiles {
    pub ca_pem: Option<Vec<u8>>,
    /// Certificate and key.
    pub client_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

impl TlsFiles {
    /// Read for every connection: certificates rotate. `None` and an empty folder give nothing.
    pub fn read(folder: Option<&Path>) -> Result<Self, Error> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let read = |name: &str| match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::TlsFiles(format!("{}: {}", folder.join(name).display(), error.kind()))),
        };
        let client_pem = match (read("tls.crt")?, read("tls.key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Error::TlsFiles("tls.crt and tls.key belong together; one is missing".to_owned())),
        };
        Ok(Self { ca_pem: read("ca.crt")?, client_pem })
    }
}

pub(super) fn connector(ca: Option<&[u8]>, client: Option<&(Vec<u8>, Vec<u8>)>) -> Result<RustlsConnector, Error> {
    let unusable = |what: &str, cause: &dyn std::fmt::Display| Error::TlsFiles(format!("{what}: {cause}"));
    let Some(ca) = ca else {
        let system = RustlsConnectorConfig::new_with_native_certs()
            .map_err(|cause| unusable("no ca.crt was given and the system has no usable CAs", &cause))?;
        return match client {
            None => system.connector_with_no_client_auth(),
            Some(client) => {
                let (certificates, key) = identity(client)?;
                system.connector_with_single_cert(certificates, key)
            }
        }
        .map_err(|cause| unusable("tls.crt, tls.key", &cause));
    };

    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca) {
        let certificate = certificate.map_err(|cause| unusable("ca.crt is not PEM", &cause))?;
        roots.add(certificate).map_err(|cause| unusable("ca.crt", &cause))?;
    }
    if roots.is_empty() {
        return Err(Error::TlsFiles("ca.crt holds no certificate".to_owned()));
    }
    // The provider is named here rather than taken from the process: this must not panic in a
    // program that installed none.
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::Other(cause.to_string()))?
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (certificates, key) = identity(client)?;
            builder.with_client_auth_cert(certificates, key).map_err(|cause| unusable("tls.crt, tls.key", &cause))?
        }
    };
    Ok(RustlsConnector::from(config))
}

fn identity(
    (certificate, key): &(Vec<u8>, Vec<u8>),
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let certificates = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| Error::TlsFiles(format!("tls.crt is not PEM: {cause}")))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| Error::TlsFiles("tls.key holds no private key in PEM".to_owned()))?;
    Ok((certificates, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_gives_nothing_and_half_a_pair_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles::read(Some(folder.path())).unwrap();
        assert!(files.ca_pem.is_none() && files.client_pem.is_none());
        std::fs::write(folder.path().join("tls.crt"), "x").unwrap();
        assert!(TlsFiles::read(Some(folder.path())).unwrap_err().to_string().contains("one is missing"));
    }

    #[test]
    fn a_ca_that_is_none_is_refused_by_name() {
        for text in ["", "not pem"] {
            let error = connector(Some(text.as_bytes()), None).err().unwrap().to_string();
            assert!(error.contains("ca.crt"), "{error}");
        }
    }
}
