//! Logging in by SASL.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::connection::Connection;
use super::error::{Code, Error};
use super::message::{SaslAuthenticate, SaslHandshake};
use super::scram::{Hash, Scram};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    pub mechanism: Mechanism,
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("mechanism", &self.mechanism).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Mechanism {
    /// As the protocol spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Login {
    pub(super) async fn on(&self, connection: &Connection) -> Result<(), Error> {
        let (chosen, offered) = connection.call(&SaslHandshake { mechanism: self.mechanism.name() }).await?;
        chosen.map_err(|code| match code {
            // The second: a listener that takes no login at all.
            Code::SASL_MECHANISM | Code::ILLEGAL_SASL_STATE => Error::MechanismRefused(offered),
            code => Error::Refused(code),
        })?;
        match self.mechanism {
            Mechanism::Plain => {
                step(connection, &format!("\0{}\0{}", self.user, self.password)).await?;
                Ok(())
            }
            Mechanism::ScramSha256 => self.scram(Hash::Sha256, connection).await,
            Mechanism::ScramSha512 => self.scram(Hash::Sha512, connection).await,
        }
    }

    async fn scram(&self, hash: Hash, connection: &Connection) -> Result<(), Error> {
        let mut random = [0; 24];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Error::Unsupported("random numbers"))?;
        let nonce = STANDARD_NO_PAD.encode(random);
        let scram = Scram::new(hash, &self.user, &self.password, &nonce);
        let challenge = step(connection, &scram.first()).await?;
        let (answer, expected) = scram.answer(&challenge)?;
        expected.check(&step(connection, &answer).await?)
    }
}

async fn step(connection: &Connection, step: &str) -> Result<String, Error> {
    let answer = connection.call(&SaslAuthenticate { step: step.as_bytes().to_vec() }).await?;
    let answer = answer.map_err(|code| match code {
        Code::SASL_FAILED => Error::LoginRefused,
        code => Error::Refused(code),
    })?;
    String::from_utf8(answer).map_err(|_| Error::NotKafka("a step of the login is not text"))
}
