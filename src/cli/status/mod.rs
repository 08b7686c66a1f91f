//! `awp status`: all pools at a glance.

mod row;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use futures::{Stream, StreamExt as _, pin_mut};
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Config, ResourceExt as _};

use crate::api::AgentWorkerPool;
use crate::scaling::time::Timestamp;
use row::Row;

/// Show pools: backlog, workers wanted, granted and applied, what bounds them and why.
///
/// A question mark is something that is not known, which is not 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  awp status\n  awp status -A -o wide\n  awp status -n agents --watch\n  \
                  awp status -A -o json | jq '.[] | select(.problem)'")]
pub struct Args {
    /// Only this pool.
    pool: Option<String>,

    /// Namespace. Default: that of the kubeconfig's current context.
    #[arg(short, long)]
    namespace: Option<String>,

    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,

    /// A table, one with more columns and whole reasons, or the same as data.
    #[arg(short, long, default_value = "text", value_enum)]
    output: Output,

    /// Go on, and show the table again whenever a pool changed.
    #[arg(short, long)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Wide,
    Json,
    Yaml,
}

/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(300);

pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::infer().await.context("no cluster to talk to: set KUBECONFIG")?;
    let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let api: Api<AgentWorkerPool> =
        if args.all_namespaces { Api::all(client) } else { Api::namespaced(client, &namespace) };
    let field = args.pool.as_ref().map(|pool| format!("metadata.name={pool}"));
    if args.watch {
        let config = watcher::Config { field_selector: field, ..watcher::Config::default() };
        return Box::pin(follow(watcher(api, config).default_backoff(), &args)).await;
    }
    let params = ListParams { field_selector: field, ..ListParams::default() };
    let pools = api
        .list(&params)
        .await
        .context("cannot list pools; is the CRD installed? `awp crd | kubectl apply -f -`")?
        .items;
    if let (Some(pool), true) = (&args.pool, pools.is_empty()) {
        anyhow::bail!("there is no pool {pool} in namespace {namespace}");
    }
    show(&pools, &args)
}

fn show(pools: &[AgentWorkerPool], args: &Args) -> anyhow::Result<()> {
    let rows: Vec<Row> = pools.iter().map(|pool| Row::of(pool, now())).collect();
    let mut out = std::io::stdout();
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?,
        Output::Yaml => write!(out, "{}", serde_saphyr::to_string(&rows)?)?,
        Output::Text | Output::Wide if rows.is_empty() => eprintln!("no pools"),
        Output::Text | Output::Wide => {
            // Without the blanks that frame a table.
            for line in table(&rows, args).lines() {
                writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())?;
            }
        }
    }
    Ok(())
}

/// Shows all pools again whenever one of them changed, until it is interrupted.
async fn follow<S>(events: S, args: &Args) -> anyhow::Result<()>
where
    S: Stream<Item = watcher::Result<watcher::Event<AgentWorkerPool>>>,
{
    pin_mut!(events);
    let mut pools: BTreeMap<(String, String), AgentWorkerPool> = BTreeMap::new();
    let mut listed = false;
    let key = |pool: &AgentWorkerPool| (pool.namespace().unwrap_or_default(), pool.name_any());
    let mut next = events.next().await;
    while let Some(event) = next {
        match event {
            Ok(watcher::Event::Init) => pools.clear(),
            Ok(watcher::Event::InitApply(pool) | watcher::Event::Apply(pool)) => _ = pools.insert(key(&pool), pool),
            Ok(watcher::Event::Delete(pool)) => _ = pools.remove(&key(&pool)),
            Ok(watcher::Event::InitDone) => listed = true,
            Err(error) if !listed => return Err(error).context("cannot watch pools; is the CRD installed?"),
            Err(error) => eprintln!("the watch broke, trying again: {error}"),
        }
        next = if let Ok(next) = tokio::time::timeout(TOGETHER, events.next()).await {
            next
        } else {
            if listed {
                clear_screen();
                show(&pools.values().cloned().collect::<Vec<_>>(), args)?;
            }
            events.next().await
        };
    }
    Ok(())
}

/// On a terminal the table stays in its place; elsewhere each one follows the last.
fn clear_screen() {
    if std::io::stdout().is_terminal() {
        print!("\u{1b}[2J\u{1b}[H");
    }
}

fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

fn table(rows: &[Row], args: &Args) -> Table {
    let wide = args.output == Output::Wide;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut header =
        vec!["POOL", "QUEUED", "IN FLIGHT", "WANTED", "GRANTED", "APPLIED", "READY", "BOUND BY", "BACKLOG"];
    if args.all_namespaces {
        header.insert(0, "NAMESPACE");
    }
    if wide {
        header.extend(["HOLD", "DRAINING", "FAILED", "PER MIN", "TASK", "PREFETCH"]);
    }
    header.push("WHY");
    table.set_header(header);
    for row in rows {
        let mut cells = row.cells();
        if args.all_namespaces {
            cells.insert(0, row.namespace.clone());
        }
        if wide {
            cells.extend(row.more_cells());
        }
        cells.push(if wide { row.reason.clone() } else { row.why() });
        table.add_row(cells);
    }
    table
}
