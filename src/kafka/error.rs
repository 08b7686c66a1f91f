//! What can go wrong between us and a broker.

use std::fmt;

use super::bytes::Malformed;

/// Never holds a secret; the words are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No connection, or one that broke.
    Unreachable(String),
    /// No answer in time, while doing this.
    TimedOut(&'static str),
    Tls(&'static str),
    /// Its address must not be connected to.
    Forbidden,
    LoginRefused,
    /// The mechanisms that the broker offers instead.
    MechanismRefused(Vec<String>),
    /// Whoever answers does not prove to know the password: it is not the broker.
    NotTheBroker,
    /// The broker is too old, or too new, for this request.
    Unsupported(&'static str),
    /// It does not speak Kafka's protocol.
    NotKafka(&'static str),
    /// The broker answered with an error.
    Refused(Code),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => f.write_str(why),
            Self::TimedOut(doing) => write!(f, "no answer in time while {doing}"),
            Self::Tls(why) => f.write_str(why),
            Self::Forbidden => f.write_str("link-local addresses are refused: no broker lives there"),
            Self::LoginRefused => f.write_str("it refuses the login: check user name and password"),
            Self::MechanismRefused(offered) => {
                write!(f, "it does not take this SASL mechanism, it offers {}", offered.join(", "))
            }
            Self::NotTheBroker => f.write_str("it does not prove to know the password"),
            Self::Unsupported(what) => write!(f, "its version has no {what} that is understood here (2.4 to 4.x are)"),
            Self::NotKafka(why) => write!(f, "it does not answer as a Kafka broker: {why}"),
            Self::Refused(code) => write!(f, "it answers {code}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::NotKafka(malformed.0)
    }
}

/// An error code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub i16);

impl Code {
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub const NOT_LEADER: Self = Self(6);
    pub const COORDINATOR_LOADING: Self = Self(14);
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    pub const NOT_COORDINATOR: Self = Self(16);
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    pub const TOPIC_FORBIDDEN: Self = Self(29);
    pub const GROUP_FORBIDDEN: Self = Self(30);
    pub const CLUSTER_FORBIDDEN: Self = Self(31);
    pub const SASL_MECHANISM: Self = Self(33);
    pub const ILLEGAL_SASL_STATE: Self = Self(34);
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    pub const SASL_FAILED: Self = Self(58);
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);
    pub const UNSTABLE_OFFSET_COMMIT: Self = Self(88);

    /// `Ok` where the code is none.
    pub fn check(self) -> Result<(), Self> {
        if self.0 == 0 { Ok(()) } else { Err(self) }
    }

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::OFFSET_OUT_OF_RANGE => "OFFSET_OUT_OF_RANGE",
            Self::UNKNOWN_TOPIC_OR_PARTITION => "UNKNOWN_TOPIC_OR_PARTITION",
            Self::LEADER_NOT_AVAILABLE => "LEADER_NOT_AVAILABLE",
            Self::NOT_LEADER => "NOT_LEADER_OR_FOLLOWER",
            Self::COORDINATOR_LOADING => "COORDINATOR_LOAD_IN_PROGRESS",
            Self::COORDINATOR_NOT_AVAILABLE => "COORDINATOR_NOT_AVAILABLE",
            Self::NOT_COORDINATOR => "NOT_COORDINATOR",
            Self::UNKNOWN_MEMBER_ID => "UNKNOWN_MEMBER_ID",
            Self::TOPIC_FORBIDDEN => "TOPIC_AUTHORIZATION_FAILED",
            Self::GROUP_FORBIDDEN => "GROUP_AUTHORIZATION_FAILED",
            Self::CLUSTER_FORBIDDEN => "CLUSTER_AUTHORIZATION_FAILED",
            Self::SASL_MECHANISM => "UNSUPPORTED_SASL_MECHANISM",
            Self::ILLEGAL_SASL_STATE => "ILLEGAL_SASL_STATE",
            Self::UNSUPPORTED_VERSION => "UNSUPPORTED_VERSION",
            Self::SASL_FAILED => "SASL_AUTHENTICATION_FAILED",
            Self::GROUP_ID_NOT_FOUND => "GROUP_ID_NOT_FOUND",
            Self::UNSTABLE_OFFSET_COMMIT => "UNSTABLE_OFFSET_COMMIT",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}
