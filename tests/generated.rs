
//! Files made from the types are committed, and say the same as the types.
#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::path::Path;

use awp::cli::crd;

/// Compares, or writes with `AWP_UPDATE=1`.
fn check(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("AWP_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == made,
        "{path} is not what the types say: AWP_UPDATE=1 cargo test --test generated, then commit it"
    );
}

#[test]
fn the_definition_is_up_to_date() {
    check("crds/agentworkerpools.agentworkers.io.yaml", &crd::definition().unwrap());
}

#[test]
fn the_reference_is_up_to_date() {
    check("docs/api.md", &crd::reference().unwrap());
}
