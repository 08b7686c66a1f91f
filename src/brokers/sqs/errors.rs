//! What can go wrong with SQS, in the words a user sees: one function per reason.
//!
//! Reasons are static; messages say what failed and what to do, and hold names the user gave, never a
//! secret and never a byte that a server sent.

use crate::aws::{self, Failure, Identity, Kind, Login};
use crate::scaling::observation::{ErrorClass, Unknown};

fn transient(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Transient, reason, message }
}

fn misconfigured(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Misconfigured, reason, message }
}

pub fn invalid_url(what: &str) -> Unknown {
    misconfigured("InvalidUri", what.to_owned())
}

/// `action` was asked of `queue`.
pub fn failed(failure: &Failure, identity: &Identity, queue: &str, action: &str) -> Unknown {
    let (address, name) = (identity.address(), aws::name(queue));
    match failure.kind {
        Kind::Unreachable => {
            transient("BrokerUnreachable", format!("cannot reach SQS at {address}: {}", failure.detail))
        }
        Kind::Server => {
            transient("BrokerUnavailable", format!("SQS at {address} has trouble of its own ({})", failure.detail))
        }
        Kind::Throttled => {
            transient("BrokerThrottled", format!("SQS at {address} asks for fewer requests; looking less often"))
        }
        Kind::Expired => transient(
            "CredentialsExpired",
            format!("the credentials for {address} have expired; waiting for new ones ({})", whence(&identity.login)),
        ),
        Kind::NoCredentials => misconfigured("CredentialsMissing", no_credentials(failure)),
        Kind::RoleRefused => misconfigured("RoleRefused", role_refused(&identity.login)),
        Kind::AskerRefused => misconfigured(
            "LoginRefused",
            "STS refuses the identity that asks for the role: check the operator's own AWS identity".to_owned(),
        ),
        Kind::LoginRefused => misconfigured(
            "LoginRefused",
            format!("SQS at {address} refuses the credentials: check {}", whence(&identity.login)),
        ),
        Kind::Denied => misconfigured(
            "PermissionMissing",
            format!(
                "the identity may not read queue {name:?}: it needs the permission sqs:{action} on it, by its own policy or \
                 the queue's ({})",
                whence(&identity.login)
            ),
        ),
        Kind::QueueMissing => misconfigured(
            "QueueMissing",
            format!(
                "there is no queue {name:?} at {address}: create it or correct queueUrl; looking again every half minute"
            ),
        ),
        Kind::NotSqs => misconfigured(
            "NotSqs",
            format!("{address} does not answer as SQS ({}): check endpoint and region", failure.detail),
        ),
        Kind::NotHeld | Kind::Refused => misconfigured(
            "RequestRefused",
            format!("SQS at {address} refuses to tell of queue {name:?} ({}): check queueUrl", failure.detail),
        ),
    }
}

/// Counts are missing from an answer.
pub fn counts_missing(queue: &str) -> Unknown {
    Unknown {
        class: ErrorClass::Doubtful,
        reason: "CountsMissing",
        message: format!("the answer about queue {:?} lacks its counts; looking again", aws::name(queue)),
    }
}

fn no_credentials(failure: &Failure) -> String {
    let remedy =
        "name a Secret in credentials, or give the operator's ServiceAccount an identity (IRSA or Pod Identity)";
    failure.missing("the operator has no AWS identity", remedy)
}

/// Where the credentials came from.
fn whence(login: &Login) -> String {
    match login {
        Login::Ambient => "the operator's own AWS identity".to_owned(),
        Login::Keys(_) => "the Secret that credentials names".to_owned(),
        Login::Folder(folder) => format!("the files in {}", folder.0.display()),
        Login::Role { arn, .. } => format!("the role {arn}"),
    }
}

fn role_refused(login: &Login) -> String {
    match login {
        Login::Role { arn, external_id } => format!(
            "the role {arn} cannot be assumed: its trust policy must allow sts:AssumeRole to the operator's identity, with \
             sts:ExternalId {external_id}"
        ),
        _ => {
            "the operator's web identity is refused: check the role of its ServiceAccount and that role's trust policy"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Keys;

    const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/research";

    fn identity(login: Login) -> Identity {
        Identity { region: "eu-west-1".into(), endpoint: None, login }
    }

    #[test]
    fn a_missing_permission_is_named_with_the_queue_and_where_the_identity_is_from() {
        let keys = Keys {
            access_key_id: "AKIA1".into(),
            secret_access_key: "planted-hunter2".into(),
            session_token: Some("planted-hunter2".into()),
        };
        let failure = Failure::new(Kind::Denied, "");
        let told = failed(&failure, &identity(Login::Keys(keys)), QUEUE, "GetQueueAttributes").to_string();
        assert!(told.contains("sqs:GetQueueAttributes") && told.contains("research"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_role_that_is_refused_is_told_with_its_external_id() {
        let login = Login::Role { arn: "arn:aws:iam::1:role/r".into(), external_id: "prod/agents/research".into() };
        let told = failed(&Failure::new(Kind::RoleRefused, ""), &identity(login), QUEUE, "GetQueueAttributes");
        assert!(told.message.contains("sts:ExternalId prod/agents/research"), "{told}");
    }

    #[test]
    fn what_passes_by_itself_is_transient() {
        for kind in [Kind::Unreachable, Kind::Server, Kind::Throttled, Kind::Expired] {
            let failure = Failure::new(kind, "");
            assert_eq!(
                failed(&failure, &identity(Login::Ambient), QUEUE, "x").class,
                ErrorClass::Transient,
                "{kind:?}"
            );
            assert!(failure.is_transient());
        }
    }
}
