//! `awp` as people call it.

use std::path::Path;

use tokio::process::Command;

use crate::stage::PASSWORD;

/// How it ended: exit code, stdout, stderr.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// `awp ARGS…`; no secret is in what it says.
pub async fn awp(kubeconfig: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awp"));
    let answer = command.args(args).env("KUBECONFIG", kubeconfig).env_remove("AWP_OPERATOR").output().await.unwrap();
    let (out, err) = (String::from_utf8(answer.stdout).unwrap(), String::from_utf8(answer.stderr).unwrap());
    assert!(!out.contains(PASSWORD) && !err.contains(PASSWORD), "{out}{err}");
    Ended { code: answer.status.code().unwrap(), out, err }
}

/// stdout of a call that succeeds.
pub async fn succeeds(kubeconfig: &Path, args: &[&str]) -> String {
    let ended = awp(kubeconfig, args).await;
    assert_eq!(ended.code, 0, "awp {args:?}: {}{}", ended.out, ended.err);
    ended.out
}
