//! As whom is asked: what a login that is not there says.

use awp::aws::{Folder, Identity, Login};
use awp_testbed::sqs;

use crate::support::{bodies, identity, readers, watch_as};

#[tokio::test]
async fn keys_in_a_folder_are_read_for_each_request() {
    let sqs = sqs().await;
    let (queue, _) = sqs.queue("folder").await.unwrap();
    sqs.send(&queue, bodies(12), 1).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let login = Login::Folder(Folder(folder.path().to_owned()));
    let readers = readers();
    let watching = watch_as(&readers, Identity { login, ..identity(&sqs.endpoint()) }, &queue);
    let why = watching.unknown("BrokerUnreachable").await;
    assert!(why.message.contains("credentials cannot be had now"), "{why}");
    std::fs::write(folder.path().join("AWS_ACCESS_KEY_ID"), "AKIATEST").unwrap();
    std::fs::write(folder.path().join("AWS_SECRET_ACCESS_KEY"), "secret").unwrap();
    watching.known("twelve", |counts| counts.ready == 12).await;
}
