//! An error of the client as one of a few kinds.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// What went wrong, never with a byte that a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    /// For people, from this side of the wire; empty where the kind says all.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No connection, or no answer in time.
    Unreachable,
    /// There are no credentials to be had here.
    NoCredentials,
    /// The role cannot be assumed.
    RoleRefused,
    /// STS does not know the identity with which it is asked for a role.
    AskerRefused,
    /// Credentials were valid and are no more; new ones may come.
    Expired,
    /// The keys are not known, or signed wrongly.
    LoginRefused,
    /// The identity is known and may not do this.
    Denied,
    Throttled,
    QueueMissing,
    /// The message is no longer held by whoever says so: its time ran out.
    NotHeld,
    /// The server's own trouble.
    Server,
    /// An answer that SQS would not give.
    NotSqs,
    /// Anything else, which trying again will not mend.
    Refused,
}

impl Kind {
    /// By an error code of SQS, with or without `com.amazonaws.sqs#`, in the words of either protocol.
    pub fn of_code(code: &str) -> Option<Self> {
        let code = code.rsplit(['#', '.']).next().unwrap_or(code);
        Some(match code {
            "QueueDoesNotExist" | "NonExistentQueue" => Self::QueueMissing,
            "AccessDenied" | "AccessDeniedException" | "KmsAccessDenied" => Self::Denied,
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => Self::Expired,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "InvalidSignature"
            | "InvalidSecurity"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "OptInRequired"
            | "NotAuthorized" => Self::LoginRefused,
            "RequestThrottled"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequests"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "RequestThrottledException"
            | "SlowDown"
            | "KmsThrottled"
            | "OverLimit" => Self::Throttled,
            "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidReceiptHandle" => Self::NotHeld,
            "InternalError" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => Self::Server,
            _ => return None,
        })
    }
}

impl Failure {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(credentials) = of_credentials(error) {
            return credentials;
        }
        match error {
            SdkError::TimeoutError(_) => Self::new(Kind::Unreachable, "no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::new(Kind::Unreachable, "no answer in time")
            }
            SdkError::DispatchFailure(_) => Self::new(
                Kind::Unreachable,
                match innermost(error) {
                    // Of the SDK's own cache, which tells it by words only.
                    words if words.starts_with("identity resolver timed out") => NOT_IN_TIME.to_owned(),
                    words => words,
                },
            ),
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                match refused.err().code().and_then(Kind::of_code) {
                    Some(kind) => Self::new(kind, ""),
                    None if status == 429 => Self::new(Kind::Throttled, ""),
                    None if status >= 500 => Self::new(Kind::Server, format!("HTTP {status}")),
                    None if refused.err().code().is_none() => Self::new(Kind::NotSqs, format!("HTTP {status}")),
                    None => Self::new(Kind::Refused, format!("HTTP {status}")),
                }
            }
            SdkError::ResponseError(answer) if answer.raw().status().is_server_error() => {
                Self::new(Kind::Server, format!("HTTP {}", answer.raw().status().as_u16()))
            }
            SdkError::ResponseError(_) => Self::new(Kind::NotSqs, "the answer cannot be read"),
            _ => Self::new(Kind::Refused, "the request cannot be made"),
        }
    }

    /// Words for missing credentials: `nothing` where nothing is known of the cause.
    pub fn missing(&self, nothing: &str, remedy: &str) -> String {
        match self.detail.as_str() {
            "" => format!("{nothing}: {remedy}"),
            detail => format!("{detail}: correct it, or {remedy}"),
        }
    }

    /// Passes by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Expired | Kind::Throttled | Kind::Server)
    }

    /// Concerns everything asked at this address with this login, not one queue.
    pub fn is_common(&self) -> bool {
        !matches!(self.kind, Kind::QueueMissing | Kind::Denied | Kind::NotHeld | Kind::Refused)
    }
}

const NOT_IN_TIME: &str = "credentials did not come in time";

/// Credentials are looked for before a request is made.
fn of_credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    // A role's credentials may fail for those with which it is asked for: then the inner ones are the cause.
    let mut all = chain(error).filter_map(|cause| cause.downcast_ref::<CredentialsError>());
    let first = all.next()?;
    let (found, own) = all.last().map_or((first, false), |inner| (inner, true));
    // Only compared, never shown.
    let cause = format!("{found:?}");
    let tells = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    Some(match found {
        _ if tells(&["AccessDenied", "InvalidIdentityToken", "IDPRejectedClaim"]) => {
            Failure::new(if own { Kind::AskerRefused } else { Kind::RoleRefused }, "")
        }
        _ if tells(&["InvalidClientTokenId", "SignatureDoesNotMatch"]) => Failure::new(Kind::AskerRefused, ""),
        _ if tells(&["ExpiredToken"]) => Failure::new(Kind::Expired, ""),
        _ if chain(found).any(<dyn Error>::is::<std::io::Error>) && !tells(&["DispatchFailure"]) => Failure::new(
            Kind::NoCredentials,
            "the token file of the web identity (AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read",
        ),
        _ if tells(&["DispatchFailure", "TimeoutError"]) => {
            Failure::new(Kind::Unreachable, "STS, which gives the credentials, cannot be reached")
        }
        CredentialsError::CredentialsNotLoaded(_) => Failure::new(Kind::NoCredentials, ""),
        CredentialsError::InvalidConfiguration(_) => {
            Failure::new(Kind::NoCredentials, "the AWS configuration of this process is not valid")
        }
        CredentialsError::ProviderTimedOut(_) => Failure::new(Kind::Unreachable, NOT_IN_TIME),
        _ => Failure::new(Kind::Unreachable, "credentials cannot be had now"),
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What the system said: `Connection refused`, a name that is not known.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_queue_is_known_by_both_codes() {
        for code in
            ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "com.amazonaws.sqs#QueueDoesNotExist"]
        {
            assert_eq!(Kind::of_code(code), Some(Kind::QueueMissing), "{code}");
        }
    }

    #[test]
    fn throttling_and_expired_tokens_pass_by_themselves_and_a_missing_permission_does_not() {
        for (code, transient) in [
            ("ThrottlingException", true),
            ("RequestThrottled", true),
            ("ExpiredToken", true),
            ("ExpiredTokenException", true),
            ("InternalFailure", true),
            ("AccessDenied", false),
            ("AccessDeniedException", false),
            ("InvalidClientTokenId", false),
            ("AWS.SimpleQueueService.NonExistentQueue", false),
        ] {
            let kind = Kind::of_code(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!(Failure::new(kind, "").is_transient(), transient, "{code}");
        }
    }
}
