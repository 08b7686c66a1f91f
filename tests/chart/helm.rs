//! Helm, and what it renders.

use std::process::Command;

use awp_testbed::base::cache::Cache;
use awp_testbed::install::control_plane;
use serde_json::Value;

pub const CHART: &str = "charts/awp";

/// Helm without a cluster.
fn helm(args: &[&str]) -> Result<String, String> {
    let programs = control_plane::find(&Cache::of_user().unwrap()).unwrap_or_else(|error| panic!("{error:#}"));
    let answer = Command::new(programs.path("helm")).args(args).env_remove("KUBECONFIG").output().unwrap();
    if answer.status.success() {
        Ok(String::from_utf8(answer.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&answer.stderr).into_owned())
    }
}

pub fn lint() -> Result<String, String> {
    helm(&["lint", "--strict", CHART])
}

/// The release `awp` in namespace `agents`, with `--set` of each of `values`; the error is what Helm says.
pub fn template(values: &[&str]) -> Result<String, String> {
    // The oldest version that the chart supports.
    let fixed = ["template", "awp", CHART, "--namespace", "agents", "--kube-version", "1.30.0"];
    helm(&[&fixed[..], &set(values)].concat())
}

pub fn objects(values: &[&str]) -> Vec<Value> {
    let yaml = template(values).unwrap();
    serde_saphyr::from_multiple(&yaml).unwrap()
}

pub fn set<'a>(values: &[&'a str]) -> Vec<&'a str> {
    values.iter().flat_map(|value| ["--set", *value]).collect()
}

/// The release's own objects of this kind, not those for people.
pub fn of_operator<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    of_kind(objects, kind).into_iter().filter(|object| object["metadata"]["name"] == "awp").collect()
}

pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}
