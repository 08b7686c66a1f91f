//! Free ports, chosen when a server starts.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Below the range from which systems take the ports of outgoing connections, and away from 35672–35682, where the
/// command line tools of RabbitMQ listen.
const FIRST: u32 = 15_000;
const COUNT: u32 = 16_384;
/// A process begins in a block of its own, so that two test processes do not choose the same free port at once.
const BLOCK: u32 = 64;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port of the loopback address on which nothing listens and that this process has not given out lately.
pub fn free() -> Result<u16> {
    let start = std::process::id().wrapping_mul(BLOCK);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = (FIRST + offset) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {} on the loopback address", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_given_out_twice() {
        let ports: std::collections::BTreeSet<u16> = (0..200).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 200);
    }
}
