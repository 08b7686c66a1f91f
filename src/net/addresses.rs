//! Name look-ups that refuse link-local addresses.
//!
//! A pool names the hosts the operator talks to. Link-local addresses are where clouds answer
//! with the machine's own credentials; no broker lives there.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// The addresses of `host`, link-local ones left out.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_link_local(address.ip())).collect();
    if allowed.is_empty() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the name leads to a link-local address"));
    }
    Ok(allowed)
}

pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_is_recognised_in_all_its_forms() {
        for (address, link_local) in [
            ("169.254.169.254", true),
            ("fe80::1", true),
            ("::ffff:169.254.169.254", true),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(is_link_local(address.parse().unwrap()), link_local, "{address}");
        }
    }

    #[tokio::test]
    async fn a_link_local_host_is_refused() {
        let refused = resolve("169.254.169.254", 5672).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
