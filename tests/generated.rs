//! Files made from the types are committed, and say the same as the types. `make generate` writes them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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
    if let Some((number, (old, new))) =
        committed.lines().zip(made.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!("{path}:{}: {old:?} should be {new:?}: run `make generate` and commit it", number + 1);
    }
    assert!(
        committed == made,
        "{path} is shorter or longer than what the types say: run `make generate` and commit it"
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

/// In `templates/`, not `crds/`: Helm never upgrades a `crds/` folder. Kept on uninstall, because
/// removing the definition removes every pool of the cluster.
#[test]
fn the_chart_has_the_definition() {
    let definition = crd::definition().unwrap();
    assert!(!definition.contains("{{"), "Helm would run a description with {{{{ as a template: reword it");
    let keep = "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n";
    let kept = definition.replacen("\nmetadata:\n", keep, 1);
    check(
        "charts/awp/templates/crd-agentworkerpools.yaml",
        &format!("{{{{- if .Values.crds.install }}}}\n{kept}{{{{- end }}}}\n"),
    );
}
