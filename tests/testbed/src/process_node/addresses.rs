//! A loopback address for each pod.
//!
//! On Linux all of 127.0.0.0/8 is local. Each node claims a block of 127.64.0.0/10 of its own, so that nodes of test
//! runs side by side do not hand out the same address; the claim is a listening socket on the block's first address,
//! which the system gives back when the process ends, however it ends. Where only 127.0.0.1 is local (macOS), all
//! pods share it and must not listen on the same port.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);
const BLOCK: u32 = 1024;
const BLOCKS: u32 = (1 << 22) / BLOCK;
/// Any port would do; pods do not get the address it is bound to.
const CLAIM_PORT: u16 = 7640;

pub struct Addresses {
    /// The block's first address; nothing where there is only one loopback address.
    block: Option<(u32, TcpListener)>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    offsets: BTreeSet<u32>,
    last: u32,
}

/// An address that is in use until this is dropped.
pub struct Address {
    pub ip: Ipv4Addr,
    offset: u32,
    addresses: Arc<Addresses>,
}

impl Addresses {
    /// Claims a free block, looking from the one that `seed` chooses.
    pub fn claim(seed: u32) -> io::Result<Arc<Self>> {
        for n in 0..BLOCKS {
            let first = FIRST + seed.wrapping_add(n) % BLOCKS * BLOCK;
            match TcpListener::bind((Ipv4Addr::from_bits(first), CLAIM_PORT)) {
                Ok(claim) => return Ok(Arc::new(Self { block: Some((first, claim)), used: Mutex::default() })),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    return Ok(Arc::new(Self { block: None, used: Mutex::default() }));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("every block of 127.64.0.0/10 is claimed by another process node"))
    }

    /// The address that was free for longest; nothing when all of the block are in use.
    pub fn take(self: &Arc<Self>) -> Option<Address> {
        let Some((first, _)) = &self.block else {
            return Some(Address { ip: Ipv4Addr::LOCALHOST, offset: 0, addresses: self.clone() });
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = (1..BLOCK).map(|n| (used.last + n) % BLOCK).find(|offset| {
            let last_byte = offset % 256;
            last_byte != 0 && last_byte != 255 && !used.offsets.contains(offset)
        })?;
        used.offsets.insert(offset);
        used.last = offset;
        Some(Address { ip: Ipv4Addr::from_bits(first + offset), offset, addresses: self.clone() })
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.addresses.used.lock().unwrap_or_else(PoisonError::into_inner).offsets.remove(&self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_and_come_back_late() {
        let addresses = Addresses::claim(std::process::id()).unwrap();
        let first = addresses.take().unwrap();
        let second = addresses.take().unwrap();
        assert_ne!(first.ip, second.ip);
        let (freed, kept) = (first.ip, second.ip);
        drop(first);
        let mut later = Vec::new();
        while let Some(address) = addresses.take() {
            later.push(address);
        }
        assert!(later.iter().all(|address| address.ip != kept));
        assert_eq!(later.last().map(|address| address.ip), Some(freed));
        assert!(later.iter().all(|address| ![0, 255].contains(&address.ip.octets()[3])));
    }

    #[test]
    fn two_nodes_never_share_a_block() {
        let (one, other) = (Addresses::claim(77).unwrap(), Addresses::claim(77).unwrap());
        assert_ne!(one.take().unwrap().ip, other.take().unwrap().ip);
    }
}
