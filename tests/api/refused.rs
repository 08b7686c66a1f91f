//! Every bad manifest is refused by the API server, in words that say what to write instead.

use futures::{StreamExt as _, stream};

use crate::table::{Case, PLANTED, table};
use crate::{cluster, fail};

/// One `kubectl` at a time would take a minute.
const AT_ONCE: usize = 6;

async fn refused(server_side: bool) {
    let (cluster, table) = (cluster().await, table());
    assert!(table.refused.len() >= 30);
    let namespace = cluster.namespace("refused").await.unwrap();
    let server_side_flag = format!("--server-side={server_side}");
    let args = ["apply", "-n", &namespace, &server_side_flag, "-f", "-"];
    let complaints: Vec<String> = stream::iter(&table.refused)
        .map(|case| async {
            let message = fail(cluster, &args, &table.manifest(case).to_string()).await;
            let expected = if server_side { case.says_server_side() } else { &case.says };
            complaints(case, expected, &message)
        })
        .buffer_unordered(AT_ONCE)
        .flat_map(stream::iter)
        .collect()
        .await;
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn complaints(case: &Case, expected: &[String], message: &str) -> Vec<String> {
    let missing = expected.iter().filter(|part| !message.contains(*part));
    let mut complaints: Vec<_> =
        missing.map(|part| format!("{}: does not say {part:?}, but:\n{message}\n", case.what)).collect();
    if message.contains(PLANTED) && !case.echoes {
        complaints.push(format!("{}: repeats the secret:\n{message}\n", case.what));
    }
    complaints
}

#[tokio::test]
async fn client_side_apply_refuses_every_bad_manifest_and_repeats_no_secret() {
    refused(false).await;
}

#[tokio::test]
async fn server_side_apply_refuses_every_bad_manifest_and_repeats_no_secret() {
    refused(true).await;
}
