//! The Secrets a pool names, as its brokers need them: a value, or what is missing and how to mend it.

use std::sync::Arc;

use super::dereference::SecretState;
use super::objects::Secret;
use super::validate::Refusal;
use crate::api::names::{reasons, secret_keys};
use crate::api::parsed::Login;

/// The Secrets of one pool, wherever they come from.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    pub look_up: &'a dyn Fn(&str) -> SecretState,
    pub namespace: &'a str,
}

/// PEM bytes, each optional.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    pub ca: Option<Vec<u8>>,
    /// Certificate and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Secrets<'_> {
    /// User name and password.
    pub fn login(&self, login: &Login) -> Result<(String, String), Refusal> {
        let keys = format!("the keys {} and {}", login.username_key, login.password_key);
        let secret = self.named(&login.secret, &keys)?;
        Ok((text(&secret, &login.secret, &login.username_key)?, text(&secret, &login.secret, &login.password_key)?))
    }

    pub fn certificates(&self, name: Option<&String>) -> Result<Certificates, Refusal> {
        let Some(name) = name else { return Ok(Certificates::default()) };
        let secret = self.named(name, "the keys ca.crt, tls.crt and tls.key, as far as they are needed")?;
        let file = |key: &str| secret.data.get(key).map(|bytes| bytes.0.clone());
        Ok(Certificates {
            ca: file(secret_keys::CA),
            client: file(secret_keys::CERTIFICATE).zip(file(secret_keys::KEY)),
        })
    }

    /// The text under `key`, without line breaks at its end.
    pub fn text(&self, name: &str, key: &str) -> Result<String, Refusal> {
        text(&*self.named(name, &format!("the key {key}"))?, name, key)
    }

    /// The same, where the Secret may lack the key.
    pub fn optional_text(&self, name: &str, key: &str) -> Result<Option<String>, Refusal> {
        let secret = self.named(name, &format!("the key {key}"))?;
        let there = secret.data.contains_key(key);
        if there { text(&secret, name, key).map(Some) } else { Ok(None) }
    }

    /// `keys` is what it should hold, in words.
    fn named(&self, name: &str, keys: &str) -> Result<Arc<Secret>, Refusal> {
        match (self.look_up)(name) {
            SecretState::Found(secret) => Ok(secret),
            SecretState::Pending => Err(Refusal::pending()),
            SecretState::Missing => Err(Refusal::waiting(
                reasons::SECRET_NOT_FOUND,
                format!("Secret {name} is not in this namespace; create it with {keys}"),
            )),
            SecretState::Forbidden => Err(Refusal::waiting(
                reasons::SECRET_FORBIDDEN,
                format!(
                    "the operator may not read Secret {name}; allow it: kubectl -n {} create role awp-secret-{name} \
                     --verb=get,list,watch --resource=secrets --resource-name={name}, and bind it to the operator's \
                     ServiceAccount",
                    self.namespace
                ),
            )),
        }
    }
}

fn text(secret: &Secret, name: &str, key: &str) -> Result<String, Refusal> {
    let bytes = secret.data.get(key);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty()).ok_or_else(|| {
        Refusal::waiting(reasons::SECRET_INCOMPLETE, format!("Secret {name} has no text under the key {key}; add it"))
    })
}
