//! A real server on loopback that speaks AWS's STS and IAM (moto), and what tests do to it.
//!
//! It gives credentials for every role to everybody, until [`Sts::enforce`]: then signatures, policies and external
//! ids count, and web identities, which it cannot judge, are refused with a server error.

mod calls;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::OnceCell;

use crate::base::cache::Cache;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::base::{install_crypto_provider, ports};
use crate::install::moto;

pub use calls::Keys;

/// The account that everything of it belongs to.
pub const ACCOUNT: &str = "123456789012";

/// 2 s on two idle cores; many test processes start at once.
const START_LIMIT: Duration = Duration::from_secs(60);

/// One server. What it knows is kept in memory only.
#[derive(Debug)]
pub struct Sts {
    port: u16,
    server: Server,
    scratch: Scratch,
}

static SHARED: OnceCell<Sts> = OnceCell::const_new();

/// The server that all tests of this process share, started by the first who asks. Nobody may let it enforce.
///
/// # Panics
/// When it cannot be started, with the reason.
pub async fn sts() -> &'static Sts {
    let started = SHARED.get_or_try_init(Sts::start).await;
    started.unwrap_or_else(|error| panic!("moto does not start: {error:#}"))
}

impl Sts {
    /// A server of one's own.
    pub async fn start() -> Result<Self> {
        install_crypto_provider();
        let python = moto::find(&Cache::of_user()?)?;
        let (port, scratch) = (ports::free()?, Scratch::new("sts")?);
        let number = port.to_string();
        let spec =
            Spec::new("moto", python).args(["-m", "moto.server", "--host", "127.0.0.1", "--port", number.as_str()]);
        let server = Server::start(&spec, &scratch)?;
        let mut sts = Self { port, server, scratch };
        let endpoint = sts.endpoint();
        sts.server.ready_when(START_LIMIT, async || calls::gives_credentials(&endpoint).await).await?;
        Ok(sts)
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it and waits until nothing of it is left. Dropping it does the same without waiting.
    pub async fn shut_down(self) -> Result<()> {
        let Self { server, scratch, .. } = self;
        drop(server);
        scratch.finish().await
    }

    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
    }
}
