//! Amazon SQS, from a pool's section to what reads it and what workers are told.

use super::{Asker, Environment, QueueKey, Reading, Remedies};
use crate::api::names::{env, reasons, secret_keys};
use crate::api::parsed::{Access, AwsKeys, Pool, Sqs};
use crate::api::spec;
use crate::aws::{Identity, Keys, Login};
use crate::brokers::{Source, sqs};
use crate::controller::build::SecretKeys;
use crate::controller::validate::Refusal;

const REMEDIES: Remedies = Remedies {
    blind: "set worker.statusPort: SQS does not tell which worker holds what",
    no_dead_letter: "the queue has no redrive policy: give it one, or set deadLetter.queue to a queue's URL; `awp worker` \
                     does not start without one",
};

pub fn secrets(sqs: &Sqs) -> Vec<&String> {
    sqs.keys().map(|keys| &keys.secret).into_iter().collect()
}

pub fn reading(sqs: &Sqs, pool: &Pool, asker: &Asker<'_>) -> Result<Reading, Refusal> {
    let login = login(sqs, asker)?;
    let mut fixed = vec![
        (env::BROKER, "sqs".to_owned()),
        (env::QUEUE_URL, sqs.queue_url.clone()),
        (env::REGION, sqs.region.clone()),
    ];
    fixed.extend(sqs.endpoint.clone().map(|endpoint| (env::ENDPOINT, endpoint)));
    Ok(Reading {
        environment: Environment { fixed, configured: &[env::DEAD_LETTER], tls_secret: None },
        tells_facts: true,
        remedies: REMEDIES,
        source: Source::Sqs(sqs::Source {
            broker: Identity { region: sqs.region.clone(), endpoint: sqs.endpoint.clone(), login },
            queue: sqs.queue_url.clone(),
            dead_letter_queue: pool.dead_letter_queue.clone(),
        }),
    })
}

fn login(sqs: &Sqs, asker: &Asker<'_>) -> Result<Login, Refusal> {
    let keys = match &sqs.access {
        Access::Keys(keys) => keys,
        Access::Ambient => return allowed(asker).map(|()| Login::Ambient),
        Access::Role(arn) => {
            allowed(asker)?;
            let (cluster, key) = (&asker.aws.cluster, asker.key);
            let external_id = format!("{cluster}/{}/{}", key.namespace, key.name);
            return Ok(Login::Role { arn: arn.clone(), external_id });
        }
    };
    let text = |key: &str| asker.secrets.text(&keys.secret, key);
    Ok(Login::Keys(Keys {
        access_key_id: text(&keys.access_key_id_key)?,
        secret_access_key: text(&keys.secret_access_key_key)?,
        session_token: asker.secrets.optional_text(&keys.secret, &keys.session_token_key)?,
    }))
}

/// Whoever may create a pool could otherwise read any queue that the operator may read.
fn allowed(asker: &Asker<'_>) -> Result<(), Refusal> {
    let namespace = &asker.key.namespace;
    if asker.aws.namespaces.contains(namespace) {
        return Ok(());
    }
    Err(Refusal::wrong(
        reasons::AWS_IDENTITY_FORBIDDEN,
        format!(
            "pools of namespace {namespace} may not use the operator's AWS identity: name a Secret in \
             broker.sqs.credentials, or have the operator started with --aws-namespaces {namespace} (chart value \
             aws.namespaces)"
        ),
    ))
}

/// Queues are told apart by their URLs; hosts do not care for case, names do.
pub fn queue_key(sqs: &spec::Sqs) -> QueueKey {
    let url = sqs.queue_url.trim_end_matches('/');
    let parts = url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('/')?)));
    let (host, path) = parts.map_or(("", url), |(_, (host, path))| (host, path));
    QueueKey { queue: path.to_owned(), addresses: [host.to_lowercase()].into() }
}

pub fn worker_credentials(keys: &AwsKeys) -> SecretKeys {
    SecretKeys {
        secret: keys.secret.clone(),
        files: vec![
            (keys.access_key_id_key.clone(), secret_keys::AWS_ACCESS_KEY_ID),
            (keys.secret_access_key_key.clone(), secret_keys::AWS_SECRET_ACCESS_KEY),
        ],
        optional: vec![(keys.session_token_key.clone(), secret_keys::AWS_SESSION_TOKEN)],
    }
}
