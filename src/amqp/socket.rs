//! Cutting a socket that the AMQP library would wait on for ever.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Holds a second handle on a connection's socket and shuts it down when dropped.
///
/// lapin drives each connection on a thread of its own and has no time limit for a server that
/// accepts a connection and stays silent: dropping the future leaves the thread. It reads the end of
/// the stream, and leaves, when the socket is cut.
#[derive(Debug, Default)]
pub struct Fuse(Arc<Mutex<Wire>>);

/// Where lapin's thread puts the socket of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Lead(Arc<Mutex<Wire>>);

#[derive(Debug, Default)]
enum Wire {
    #[default]
    NotYet,
    Open(TcpStream),
    Cut,
}

impl Fuse {
    pub(super) fn lead(&self) -> Lead {
        Lead(self.0.clone())
    }

    /// Lets the connection live for itself. The second handle goes, or it would keep the socket open
    /// after lapin closes it.
    pub fn remove(self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Wire::NotYet;
    }
}

impl Lead {
    /// Fails where the attempt was given up meanwhile.
    pub fn keep(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut wire = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*wire, Wire::Cut) {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        *wire = Wire::Open(socket);
        Ok(())
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let wire = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Wire::Cut);
        if let Wire::Open(socket) = wire {
            // Fails where the socket is gone already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
