//! What every client of a broker does alike: names, addresses, TLS.

pub mod addresses;
pub mod percent;
pub mod tls;
