//! What can be known of the image without building it: its root folder runs on its own, and the build is given
//! the files it needs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lines(file: &str) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// `command` with `root` as its root folder and as the image's user. Who is not root here becomes it in a
/// namespace of its own.
fn run_in(root: &Path, command: &[&str]) -> Output {
    let superuser = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut chroot = if superuser {
        let mut chroot = Command::new("chroot");
        chroot.arg("--userspec=65532:65532");
        chroot
    } else {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "chroot"]);
        unshare
    };
    chroot
        .arg(root)
        .args(command)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

#[test]
fn the_image_holds_all_that_the_program_needs_and_no_shell() {
    let folder = tempfile::tempdir().unwrap();
    let collected =
        Command::new("scripts/rootfs.sh").arg(env!("CARGO_BIN_EXE_awp")).arg(folder.path()).output().unwrap();
    assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
    // The image's folders are made by root for everybody; a temporary folder is the maker's own.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    let entry_point =
        lines("Dockerfile").into_iter().find_map(|line| line.strip_prefix("ENTRYPOINT [\"").map(str::to_owned));
    let program = entry_point.unwrap().trim_end_matches("\"]").to_owned();
    let answer = run_in(folder.path(), &[&program, "crd"]);
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    assert!(String::from_utf8_lossy(&answer.stdout).contains("kind: CustomResourceDefinition"));
    assert!(!run_in(folder.path(), &["/bin/sh", "-c", "true"]).status.success());
    assert!(folder.path().join("etc/ssl/certs/ca-certificates.crt").exists());
}

/// Files that `.dockerignore` lets through: it starts with `*` and lists exceptions.
fn build_context() -> Vec<PathBuf> {
    let rules = lines(".dockerignore");
    assert_eq!(rules.iter().find(|rule| !rule.starts_with('#')).unwrap(), "*");
    let kept: Vec<PathBuf> = rules.iter().filter_map(|rule| rule.strip_prefix('!')).map(PathBuf::from).collect();
    for path in &kept {
        assert!(path.exists(), ".dockerignore lets {} through, which does not exist", path.display());
    }
    kept
}

#[test]
fn the_build_is_given_a_whole_workspace() {
    let folder = tempfile::tempdir().unwrap();
    for path in build_context() {
        let to = folder.path().join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        assert!(Command::new("cp").arg("-r").arg(&path).arg(&to).status().unwrap().success());
    }
    let cargo = env!("CARGO");
    let metadata = ["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"];
    let answer = Command::new(cargo).args(metadata).current_dir(folder.path()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    // Nothing that is compiled into the program lies outside of what the build is given.
    for file in ["src", "scripts/rootfs.sh", "Cargo.lock"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    let included = Command::new("grep").args(["-rlE", r#"include_(str|bytes)!\("\.\./\.\./"#, "src"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&included.stdout), "", "these files include something from outside of src");
}

#[test]
fn the_image_and_the_chart_agree() {
    let dockerfile = lines("Dockerfile").join("\n");
    let deployment = lines("charts/awp/templates/deployment.yaml").join("\n");
    assert!(dockerfile.contains("USER 65532:65532") && deployment.contains("runAsUser: 65532"));
    assert!(dockerfile.contains("EXPOSE 8080") && deployment.contains("containerPort: 8080"));
    let version = format!("appVersion: {}", env!("CARGO_PKG_VERSION"));
    assert!(lines("charts/awp/Chart.yaml").contains(&version), "Chart.yaml: {version}");
}
