//! The rules of the definition, run without a server: the quick half of `refused.rs`.

use std::path::PathBuf;

use awp::amqp::Address;
use awp::api::parsed::Pool;
use awp::api::{AgentWorkerPool, schema};
use awp::brokers::rabbitmq::Identity;
use kube::core::cel::Validator;
use serde_json::{Value, json};

use crate::repository;
use crate::table::{PLANTED, table};

/// What the rules say of a manifest, as `field: message`.
fn verdict(pool: &Value, old: Option<&Value>) -> Vec<String> {
    let errors = Validator::new().validate(&schema::schema().unwrap(), pool, old).err();
    errors.into_iter().flatten().map(|error| format!("{}: {}", error.field_path, error.message)).collect()
}

/// The message of a rule in the words that the API server puts around it.
fn rule_message(says: &str) -> Option<&str> {
    ["Forbidden: ", "Required value: ", "\": "]
        .iter()
        .find_map(|mark| says.split_once(mark))
        .map(|(_, message)| message)
}

pub fn examples() -> Vec<PathBuf> {
    let files = std::fs::read_dir(repository().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
}

pub fn pools_of(file: &PathBuf) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(file).unwrap()).unwrap();
    documents.into_iter().filter(|document| document["kind"] == "AgentWorkerPool").collect()
}

#[test]
fn every_case_that_a_rule_decides_is_decided_by_that_rule() {
    let table = table();
    let mut decided = 0;
    for case in &table.refused {
        let messages: Vec<_> = case.says.iter().filter_map(|says| rule_message(says)).collect();
        let messages: Vec<_> = messages.into_iter().filter(|message| !message.starts_with("supported")).collect();
        if messages.is_empty() {
            continue;
        }
        decided += 1;
        let verdict = verdict(&table.manifest(case), None);
        for message in messages {
            assert!(
                verdict.iter().any(|said| said.contains(message)),
                "{}: {message:?} not in {verdict:#?}",
                case.what
            );
        }
        assert!(!verdict.iter().any(|said| said.contains(PLANTED)), "{}: {verdict:#?}", case.what);
    }
    assert!(decided >= 40, "{decided} cases");
}

#[test]
fn every_rule_has_a_case() {
    fn messages(schema: &Value, found: &mut Vec<String>) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            found.push(rule["message"].as_str().unwrap().to_owned());
        }
        let properties = schema["properties"].as_object().into_iter().flat_map(|all| all.values());
        properties
            .chain(schema["items"].as_object().map(|_| &schema["items"]))
            .for_each(|nested| messages(nested, found));
    }
    let mut rules = vec![];
    messages(&schema::schema().unwrap(), &mut rules);
    let says: Vec<_> = table().refused.into_iter().flat_map(|case| case.says).collect();
    let says: Vec<_> = says.iter().filter_map(|says| rule_message(says)).collect();
    let without: Vec<_> = rules.iter().filter(|rule| !says.iter().any(|message| rule.contains(message))).collect();
    // The transition rule has tests of its own.
    assert!(matches!(without.as_slice(), [one] if one.contains("cannot change between")), "{without:#?}");
}

#[test]
fn the_examples_and_the_good_pool_of_the_table_are_accepted_and_understood() {
    let pools: Vec<_> = examples().iter().flat_map(pools_of).chain([table().pool]).collect();
    assert!(pools.len() >= 4);
    for pool in pools {
        assert_eq!(verdict(&pool, None), Vec::<String>::new());
        let pool: AgentWorkerPool = serde_json::from_value(pool).unwrap();
        Pool::try_from(&pool.spec).unwrap();
        pool.spec.settings(None, None).unwrap();
    }
}

/// The rules must not accept an address that the operator or a worker then cannot use.
#[test]
fn addresses_that_the_rules_accept_are_accepted_by_those_who_connect() {
    for uri in [
        "amqp://rabbitmq",
        "amqp://rabbitmq:5672/",
        "amqps://rabbitmq.messaging:5671/agents",
        "amqp://10.0.0.1:5672/%2Fteam%2Fa",
        "amqp://[::1]:5672",
        "amqps://[fd00::1]/v-1.x_y~z",
    ] {
        let mut pool = table().pool;
        pool["spec"]["broker"]["rabbitmq"]["uri"] = uri.into();
        assert_eq!(verdict(&pool, None), Vec::<String>::new(), "{uri}");
        Identity::new(uri, None, "u", "p", None, None).unwrap();
        Address::parse(uri).unwrap();
    }
    for uri in [
        "http://rabbitmq:15672",
        "https://rabbitmq",
        "https://proxy/rabbitmq/",
        "http://[::1]:15672",
        "http://a:15672,http://b:15672 , http://c:15672/api",
    ] {
        let mut pool = table().pool;
        pool["spec"]["broker"]["rabbitmq"]["managementUri"] = uri.into();
        assert_eq!(verdict(&pool, None), Vec::<String>::new(), "{uri}");
        Identity::new("amqp://rabbitmq", Some(uri), "u", "p", None, None).unwrap();
    }
}

#[test]
fn a_pool_cannot_change_between_template_and_target() {
    let with_template = table().pool;
    let mut with_target = with_template.clone();
    with_target["spec"]["worker"] =
        json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "x" } });
    with_target["spec"]["prefetch"] = json!({ "fixed": 1 });
    assert_eq!(verdict(&with_template, Some(&with_template)), Vec::<String>::new());
    assert_eq!(verdict(&with_target, Some(&with_target)), Vec::<String>::new());
    for (new, old) in [(&with_target, &with_template), (&with_template, &with_target)] {
        let verdict = verdict(new, Some(old));
        assert!(
            verdict.iter().any(|said| said.contains("cannot change between template and targetRef")),
            "{verdict:?}"
        );
    }
}
