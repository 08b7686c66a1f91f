//! What every server here needs: a place for its data, ports, an end that is certain, and words when it fails.

pub mod cache;
pub mod guard;
pub mod http;
pub mod pki;
pub mod ports;
pub mod relay;
pub mod scratch;
pub mod server;
pub mod wait;

/// One crypto provider for the whole process; the clients of Kubernetes and of RabbitMQ refuse to guess.
pub fn install_crypto_provider() {
    // A second installation is refused: then the process has its provider already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
