//! Without a cluster: rendering, linting, and the values that are refused.

use serde_json::{Value, json};

use crate::helm::{self, objects, of_kind, of_operator, template};

#[test]
fn the_chart_lints() {
    helm::lint().unwrap();
}

/// `INSTA_UPDATE=always cargo test --test chart` accepts a new rendering.
#[test]
fn the_default_release_renders_as_committed() {
    insta::assert_snapshot!("default", template(&["crds.install=false"]).unwrap());
}

#[test]
fn every_value_that_can_be_set_appears_where_it_belongs() {
    let values = [
        "crds.install=false",
        "image.repository=registry.internal/awp",
        "image.digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "image.pullPolicy=Always",
        "imagePullSecrets[0].name=pull",
        "watchNamespaces={research,agents}",
        "secretNames={reader,client-ca}",
        "rbac.aggregate=false",
        "rbac.explain[0].kind=Group",
        "rbac.explain[0].name=ml-platform",
        "rbac.explain[0].apiGroup=rbac.authorization.k8s.io",
        "serviceAccount.name=scaler",
        "serviceAccount.annotations.team=ml",
        "log.filter=debug",
        "log.format=text",
        "rabbitmq.looksPerSecond=500",
        "rabbitmq.requestsPerSecond=5",
        "metrics.service=false",
        "resources.limits.memory=1Gi",
        "podAnnotations.note=x",
        "podLabels.tier=platform",
        "nodeSelector.disk=ssd",
        "tolerations[0].operator=Exists",
        "affinity.nodeAffinity.any=true",
        "priorityClassName=high",
    ];
    insta::assert_snapshot!("everything-set", template(&values).unwrap());
}

#[test]
fn nonsense_is_refused_with_the_name_of_the_value() {
    let cases = [
        ("watchNamespaces=agents", "at '/watchNamespaces': got string, want array"),
        ("watchNamespaces={*}", "at '/watchNamespaces/0': '*' does not match"),
        ("watchNamespaces={a,a}", "at '/watchNamespaces': items at 0 and 1 are equal"),
        ("secretNames={Reader}", "at '/secretNames/0': 'Reader' does not match"),
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("image.tags=1", "at '/image': additional properties 'tags' not allowed"),
        ("image.digest=latest", "at '/image/digest': 'latest' does not match"),
        ("image.pullPolicy=Sometimes", "at '/image/pullPolicy': value must be one of"),
        ("crds.install=maybe", "at '/crds/install': got string, want boolean"),
        ("rbac.explain[0].kind=Role", "at '/rbac/explain/0/kind': value must be one of"),
        ("log.format=xml", "at '/log/format': value must be one of 'json', 'text'"),
        ("rabbitmq.looksPerSecond=0", "at '/rabbitmq/looksPerSecond': minimum: got 0, want 10"),
        ("podLabels.a=1", "at '/podLabels/a': got number, want string"),
        ("resources.limit.memory=1Gi", "at '/resources': additional properties 'limit' not allowed"),
        ("serviceAccount.create=false", "serviceAccount.name is needed with serviceAccount.create=false"),
    ];
    for (value, expected) in cases {
        let refusal = template(&[value]).expect_err(value);
        assert!(refusal.contains(expected), "--set {value}: {refusal}");
    }
}

#[test]
fn whose_pools_may_use_the_operators_aws_identity_is_told_to_it() {
    let args = |values: &[&str]| {
        let objects = objects(values);
        let args = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
        args.as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let told = args(&["aws.namespaces={research,images}", "aws.clusterName=prod"]);
    for arg in ["--aws-namespaces=research", "--aws-namespaces=images", "--cluster-name=prod"] {
        assert!(told.iter().any(|it| it == arg), "{arg}: {told:?}");
    }
    assert!(!args(&[]).iter().any(|arg| arg.contains("aws") || arg.contains("cluster")), "by default nobody");
}

#[test]
fn each_watched_namespace_gets_one_role_bound_to_the_operator_in_its_own_namespace() {
    let objects = objects(&["watchNamespaces={research,images}"]);
    let namespaces =
        |kind| -> Vec<&Value> { of_operator(&objects, kind).iter().map(|it| &it["metadata"]["namespace"]).collect() };
    assert_eq!(namespaces("Role"), ["images", "research"]);
    assert_eq!(namespaces("RoleBinding"), ["images", "research"]);
    for binding in of_operator(&objects, "RoleBinding") {
        assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": "awp", "namespace": "agents"}]));
    }
    let args = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args[1], "--namespace=images");
    assert_eq!(args[2], "--namespace=research");
}

#[test]
fn no_rule_has_a_wildcard_or_more_than_the_operator_uses() {
    let objects = objects(&[]);
    let rules = |kind| of_kind(&objects, kind).into_iter().flat_map(|role| role["rules"].as_array().unwrap().iter());
    for rule in rules("Role").chain(rules("ClusterRole")) {
        for list in ["apiGroups", "resources", "verbs"] {
            assert!(!rule[list].as_array().unwrap().iter().any(|word| word.as_str().unwrap().contains('*')), "{rule}");
        }
    }
    for rule in rules("Role") {
        let never = ["delete", "deletecollection", "escalate", "bind", "impersonate"];
        assert!(
            !rule["verbs"].as_array().unwrap().iter().any(|verb| never.contains(&verb.as_str().unwrap())),
            "{rule}"
        );
    }
    // Nothing of the operator's is cluster-wide: the ClusterRoles only add to view and edit.
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
}

#[test]
fn only_named_secrets_are_readable_when_they_are_named() {
    let objects = objects(&["secretNames={reader,client-ca}"]);
    let rules = of_operator(&objects, "Role")[0]["rules"].as_array().unwrap();
    let secrets: Vec<_> = rules.iter().filter(|rule| rule["resources"] == json!(["secrets"])).collect();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["resourceNames"], json!(["reader", "client-ca"]));
}

#[test]
fn two_releases_collide_on_no_cluster_wide_name_but_the_definition() {
    let (mine, theirs) = (template(&[]).unwrap(), template(&[]).unwrap().replace("agents", "others"));
    let names = |yaml: &str| -> Vec<String> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
        of_kind(&objects, "ClusterRole")
            .iter()
            .map(|role| role["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&mine), ["awp-agents-view", "awp-agents-edit"]);
    assert_eq!(names(&theirs), ["awp-others-view", "awp-others-edit"]);
    assert_eq!(of_kind(&objects(&[]), "CustomResourceDefinition").len(), 1);
    assert_eq!(of_kind(&objects(&["crds.install=false"]), "CustomResourceDefinition").len(), 0);
}
