//! `testbed up`

use anyhow::Result;
use awp_testbed::{ControlPlane, Kwok, RabbitMq, rabbitmq};
use tokio::signal::unix::{SignalKind, signal};

/// Start a control plane, and what else is asked for, until Ctrl-C
///
/// Prints what others need to know as lines for a shell. Everything is gone afterwards, objects and messages too.
///
/// Example: testbed up --rabbitmq --kwok
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Also a fake node, on which pods are Ready at once without doing anything
    #[arg(long)]
    kwok: bool,
    /// Also a RabbitMQ node with management and TLS
    #[arg(long)]
    rabbitmq: bool,
}

pub fn run(args: &Args) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(up(args))
}

async fn up(args: &Args) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let started = std::time::Instant::now();
    // An interrupted start drops what has been started.
    let servers = tokio::select! {
        servers = start(args) => servers?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    servers.print();
    eprintln!("testbed: up after {:.1} s; Ctrl-C ends it", started.elapsed().as_secs_f64());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("testbed: stopping");
    servers.shut_down().await
}

struct Servers {
    control_plane: ControlPlane,
    rabbitmq: Option<RabbitMq>,
    kwok: Option<Kwok>,
}

async fn start(args: &Args) -> Result<Servers> {
    let with_kwok = async {
        let control_plane = ControlPlane::start().await?;
        let kwok = if args.kwok { Some(Kwok::start(&control_plane).await?) } else { None };
        anyhow::Ok((control_plane, kwok))
    };
    let broker = async {
        let options = rabbitmq::Options::default();
        anyhow::Ok(if args.rabbitmq { Some(RabbitMq::start(options).await?) } else { None })
    };
    let ((control_plane, kwok), rabbitmq) = futures::try_join!(with_kwok, broker)?;
    Ok(Servers { control_plane, rabbitmq, kwok })
}

impl Servers {
    fn print(&self) {
        println!("export KUBECONFIG={}", self.control_plane.kubeconfig().display());
        println!("export PATH={}:$PATH", self.control_plane.tools().display());
        println!("# logs: {}", self.control_plane.logs().display());
        if let Some(rabbitmq) = &self.rabbitmq {
            println!("export AMQP_URI={}", rabbitmq.admin_uri("/"));
            println!("export AMQPS_URI={}", rabbitmq.amqps_uri("/"));
            println!("export RABBITMQ_MANAGEMENT={}", rabbitmq.management_uri());
            println!("# user {}, password {}", rabbitmq.admin_user(), rabbitmq.admin_password());
            println!("# logs: {}", rabbitmq.logs().display());
            println!("# logs: {}", rabbitmq.epmd_logs().display());
        }
        if let Some(kwok) = &self.kwok {
            println!("# logs: {}", kwok.logs().display());
        }
    }

    async fn shut_down(self) -> Result<()> {
        if let Some(kwok) = self.kwok {
            kwok.shut_down().await?;
        }
        if let Some(rabbitmq) = self.rabbitmq {
            rabbitmq.shut_down().await?;
        }
        self.control_plane.shut_down().await
    }
}
