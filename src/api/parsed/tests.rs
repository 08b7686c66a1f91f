use super::*;
use crate::api::AgentWorkerPool;
use crate::api::names::secret_keys;

const PLANTED: &str = "planted-hunter2";

/// The smallest pool with parts of it replaced.
fn parse(replace: &[(&str, &str)]) -> Result<Pool, Invalid> {
    let smallest = "broker: { rabbitmq: { uri: 'amqp://rabbitmq', queues: [tasks] } }
worker: { template: { spec: { containers: [{ name: agent }, { name: cache }] } } }";
    let text = replace.iter().fold(smallest.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    Pool::try_from(&serde_saphyr::from_str::<AgentWorkerPoolSpec>(&text).unwrap())
}

fn template_of(pool: Pool) -> Template {
    match pool.worker {
        Worker::Template(template) => *template,
        Worker::TargetRef(target) => panic!("{target:?}"),
    }
}

fn rabbitmq_of(broker: Broker) -> RabbitMq {
    match broker {
        Broker::RabbitMq(rabbitmq) => rabbitmq,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_pool_gets_the_documented_defaults() {
    let pool = parse(&[]).unwrap();
    let rabbitmq = rabbitmq_of(pool.broker.clone());
    assert_eq!((rabbitmq.uri.as_str(), rabbitmq.queue.as_str()), ("amqp://rabbitmq", "tasks"));
    assert_eq!((pool.status_port, pool.task_timeout, pool.drain_timeout), (None, 1800.0, 1800.0));
    assert_eq!(pool.dead_letter_queue, None);
    let template = template_of(pool);
    assert_eq!((template.container.as_str(), template.memory_container.as_str()), ("agent", "agent"));
}

#[test]
fn a_bare_slash_at_the_end_of_the_address_is_taken_off() {
    let rabbitmq = rabbitmq_of(parse(&[("amqp://rabbitmq", "amqp://rabbitmq:5672/")]).unwrap().broker);
    assert_eq!(rabbitmq.uri, "amqp://rabbitmq:5672");
    let rabbitmq = rabbitmq_of(parse(&[("amqp://rabbitmq", "amqp://rabbitmq/agents")]).unwrap().broker);
    assert_eq!(rabbitmq.uri, "amqp://rabbitmq/agents");
}

#[test]
fn the_memory_container_is_the_consumer_unless_named() {
    let template = template_of(parse(&[("worker: {", "worker: { container: cache,")]).unwrap());
    assert_eq!((template.container.as_str(), template.memory_container.as_str()), ("cache", "cache"));
    let template = template_of(parse(&[("worker: {", "worker: { memoryContainer: cache,")]).unwrap());
    assert_eq!((template.container.as_str(), template.memory_container.as_str()), ("agent", "cache"));
}

#[test]
fn workers_log_in_as_the_operator_unless_they_have_a_login() {
    let broker = ("queues:", "credentials: { secretRef: { name: reader, usernameKey: user } }, queues:");
    let reader =
        Login { secret: "reader".into(), username_key: "user".into(), password_key: secret_keys::PASSWORD.into() };
    assert_eq!(template_of(parse(&[broker]).unwrap()).login, Some(WorkerLogin::Password(reader)));
    let worker = ("worker: {", "worker: { credentials: { secretRef: { name: own } },");
    assert_eq!(template_of(parse(&[broker, worker]).unwrap()).login.unwrap().secret(), "own");
}

#[test]
fn a_target_keeps_its_name_and_containers() {
    let target = (
        "template: { spec: { containers: [{ name: agent }, { name: cache }] } } }",
        "targetRef: { apiVersion: apps/v1, kind: Deployment, name: billing }, memoryContainer: agent }
prefetch: { fixed: 1 }",
    );
    let expected = TargetRef { name: "billing".into(), container: None, memory_container: Some("agent".into()) };
    assert_eq!(parse(&[target]).unwrap().worker, Worker::TargetRef(expected));
}

#[test]
fn what_an_older_crd_lets_through_is_refused_with_the_remedy_and_without_secrets() {
    const TEMPLATE: &str = "template: { spec: { containers: [{ name: agent }, { name: cache }] } }";
    const URI: &str = "'amqp://rabbitmq'";
    const TARGET: &str = "targetRef: { apiVersion: apps/v1, kind: Deployment, name: x }";
    for (old, new, message) in [
        ("rabbitmq: {", "sqs: { queueUrl: x }, rabbitmq: {", "spec.broker: write exactly one of"),
        (URI, "'amqp://a:planted-hunter2@b'", "spec.broker.rabbitmq.uri: write it without credentials"),
        (
            URI,
            "'amqp://b', managementUri: 'http://a:planted-hunter2@b'",
            "spec.broker.rabbitmq.managementUri: write it",
        ),
        (URI, "'amqp://b', tls: { secretRef: { name: x } }", "spec.broker.rabbitmq.tls: write amqps://"),
        (
            URI,
            "'amqps://b', managementUri: 'http://b', tls: { secretRef: { name: x } }",
            "spec.broker.rabbitmq.tls: write amqps:// and https://",
        ),
        ("[tasks]", "[]", "spec.broker.rabbitmq.queues: name exactly one queue"),
        ("[tasks]", "[a, b]", "spec.broker.rabbitmq.queues: name exactly one queue"),
        ("[tasks]", "[amq.gen]", "spec.broker.rabbitmq.queues: write a name of"),
        (TEMPLATE, "container: agent", "spec.worker: write exactly one of template and targetRef"),
        (TEMPLATE, "template: {}", "spec.worker.template.spec.containers: list the worker's container"),
        ("template:", "container: agnet, template:", "spec.worker.container: write the name of a container"),
        (
            "template:",
            "memoryContainer: agnet, template:",
            "spec.worker.memoryContainer: write the name of a container",
        ),
        ("template:", "statusPort: 0, template:", "spec.worker.statusPort: write a port from 1 to 65535"),
        ("template:", "taskTimeout: 31m, template:", "spec.worker.taskTimeout: write at most spec.drain.timeout"),
        (TEMPLATE, TARGET, "spec.prefetch.fixed: write how many tasks"),
        (
            TEMPLATE,
            "targetRef: { apiVersion: v1, kind: Pod, name: x }",
            "spec.worker.targetRef: write apiVersion: apps/v1",
        ),
        ("worker:", "deadLetter: { queue: tasks }\nworker:", "spec.deadLetter.queue: name another queue"),
    ] {
        let refused = parse(&[(old, new)]).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{new}: {refused}");
        assert!(!refused.contains(PLANTED), "{refused}");
    }
}

/// A pool on Kafka whose broker section says this besides servers, topics and group.
fn parse_kafka(more: &str, below: &str) -> Result<Pool, Invalid> {
    let text = format!(
        "broker: {{ kafka: {{ bootstrapServers: ['kafka:9092'], topics: [b, a], group: g{more} }} }}
worker: {{ template: {{ spec: {{ containers: [{{ name: agent }}] }} }} }}{below}"
    );
    Pool::try_from(&serde_saphyr::from_str::<AgentWorkerPoolSpec>(&text).unwrap())
}

fn kafka_of(pool: Pool) -> Kafka {
    match pool.broker {
        Broker::Kafka(kafka) => kafka,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_on_kafka_loses_nothing_and_sees_no_aborted_task_without_being_told() {
    let kafka = kafka_of(parse_kafka("", "").unwrap());
    assert_eq!((kafka.topics, kafka.group.as_str()), (vec!["a".into(), "b".into()], "g"));
    assert_eq!((kafka.offset_reset, kafka.isolation), (spec::OffsetReset::Earliest, spec::Isolation::ReadCommitted));
    assert_eq!((kafka.encrypted, kafka.tls_secret, kafka.sasl, kafka.start_from), (false, None, None, None));
}

#[test]
fn kafka_is_encrypted_by_an_empty_section_and_logged_into_by_a_secret() {
    let more = ", tls: {}, sasl: { mechanism: ScramSha512, secretRef: { name: s } }, startFrom: { timestamp: \
                '2026-11-17T00:00:00Z' }";
    let kafka = kafka_of(parse_kafka(more, "").unwrap());
    assert_eq!((kafka.encrypted, kafka.tls_secret.as_ref(), kafka.start_from), (true, None, Some(1_794_873_600_000)));
    let login = kafka.login().cloned().unwrap();
    assert_eq!((login.secret.as_str(), login.password_key.as_str()), ("s", secret_keys::PASSWORD));
    assert_eq!(template_of(parse_kafka(more, "").unwrap()).login, Some(WorkerLogin::Password(login)));
}

#[test]
fn a_kafka_section_that_an_older_crd_lets_through_is_refused_with_the_remedy() {
    for (old, new, message) in [
        ("kafka:9092", "u:planted-hunter2@kafka:9092", "spec.broker.kafka.bootstrapServers: write host:port"),
        ("[b, a]", "[]", "spec.broker.kafka.topics: name at least one topic"),
        ("group: g", "group: '', startFrom: { timestamp: x }", "spec.broker.kafka.group: write the name"),
        ("group: g", "group: g, startFrom: { timestamp: yesterday }", "spec.broker.kafka.startFrom.timestamp: write"),
    ] {
        let text = "broker: { kafka: { bootstrapServers: ['kafka:9092'], topics: [b, a], group: g } }\nworker: {}";
        let spec: AgentWorkerPoolSpec = serde_saphyr::from_str(&text.replace(old, new)).unwrap();
        let refused = Pool::try_from(&spec).unwrap_err().to_string();
        assert!(refused.starts_with(message) && !refused.contains(PLANTED), "{refused}");
    }
    let own_topic = parse_kafka("", "\ndeadLetter: { queue: a }").unwrap_err().to_string();
    assert!(own_topic.starts_with("spec.deadLetter.queue: name another queue"), "{own_topic}");
}

const SQS_URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/research";

/// A pool on SQS whose broker section says this besides the queue's URL.
fn parse_sqs(more: &str, below: &str) -> Result<Pool, Invalid> {
    let text = format!(
        "broker: {{ sqs: {{ queueUrl: '{SQS_URL}'{more} }} }}
worker: {{ template: {{ spec: {{ containers: [{{ name: agent }}] }} }}{below} }}"
    );
    Pool::try_from(&serde_saphyr::from_str::<AgentWorkerPoolSpec>(&text).unwrap())
}

fn sqs_of(pool: Pool) -> Sqs {
    match pool.broker {
        Broker::Sqs(sqs) => sqs,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_sqs_queue_tells_its_region_and_is_read_by_the_operators_identity_unless_told_otherwise() {
    let sqs = sqs_of(parse_sqs("", "").unwrap());
    assert_eq!((sqs.queue_url.as_str(), sqs.region.as_str(), sqs.endpoint), (SQS_URL, "eu-central-1", None));
    assert_eq!(sqs.access, Access::Ambient);
    let role = "arn:aws:iam::123456789012:role/awp-reader";
    let by_role = sqs_of(parse_sqs(&format!(", assumeRoleArn: '{role}'"), "").unwrap());
    assert_eq!(by_role.access, Access::Role(role.into()));
}

#[test]
fn workers_on_sqs_have_their_own_keys_else_the_operators_else_their_pods_identity() {
    let keys = ", credentials: { secretRef: { name: aws, accessKeyIdKey: id } }";
    let operators = AwsKeys { access_key_id_key: "id".into(), ..AwsKeys::in_secret("aws".into()) };
    let login = |more, below| template_of(parse_sqs(more, below).unwrap()).login;
    assert_eq!(login(keys, ""), Some(WorkerLogin::AwsKeys(operators)));
    let own = ", credentials: { secretRef: { name: own } }";
    assert_eq!(login(keys, own), Some(WorkerLogin::AwsKeys(AwsKeys::in_secret("own".into()))));
    assert_eq!(login("", ""), None);
}

#[test]
fn an_sqs_section_that_an_older_crd_lets_through_is_refused_with_the_remedy_and_without_secrets() {
    for (more, message) in [
        (", endpoint: 'http://a:planted-hunter2@b'", "spec.broker.sqs.endpoint: write it without credentials"),
        (", region: us-east-1", "spec.broker.sqs.region: leave it out, or write the region"),
        (
            ", assumeRoleArn: 'arn:aws:iam::1:role/r', credentials: { secretRef: { name: aws } }",
            "spec.broker.sqs.assumeRoleArn: leave out credentials or assumeRoleArn",
        ),
    ] {
        let refused = parse_sqs(more, "").unwrap_err().to_string();
        assert!(refused.starts_with(message) && !refused.contains(PLANTED), "{refused}");
    }
    let at = |url: &str, more: &str| {
        let text = format!("broker: {{ sqs: {{ queueUrl: '{url}'{more} }} }}\nworker: {{}}");
        Pool::try_from(&serde_saphyr::from_str::<AgentWorkerPoolSpec>(&text).unwrap()).unwrap_err().to_string()
    };
    assert!(at("http://localhost:4566/000000000000/q", "").starts_with("spec.broker.sqs.endpoint: write"));
    let local = ", endpoint: 'http://localhost:4566'";
    assert!(at("http://localhost:4566/000000000000/q", local).starts_with("spec.broker.sqs.region: write"));
    assert!(!at("https://u:planted-hunter2@sqs.eu-west-1.amazonaws.com/1/q", "").contains(PLANTED));
}

#[test]
fn the_types_accept_a_pool_as_the_api_server_stores_it() {
    // Quantities may be numbers in a template; unknown fields of a newer definition are ignored.
    let pool: AgentWorkerPool = serde_saphyr::from_str(
        "{ apiVersion: agentworkers.io/v1alpha1, kind: AgentWorkerPool, metadata: { name: p }, spec: {
             broker: { rabbitmq: { uri: 'amqp://b', queues: [q], new: 1 } }, new: 1,
             worker: { template: { metadata: {}, spec: { containers: [
               { name: a, resources: { limits: { cpu: 1, memory: 2147483648 } } }] } } } } }",
    )
    .unwrap();
    let pod = template_of(Pool::try_from(&pool.spec).unwrap()).pod;
    assert_eq!(pod.sizes.memory(), Some(2 << 30));
    assert!(pod.json.contains(r#""memory":"2147483648""#), "{}", pod.json);
}
