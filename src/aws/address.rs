//! What a queue's URL tells. Pure.

/// Ends of Amazon's own host names: the partitions, and their dual-stack names.
const DOMAINS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether the host is one of Amazon's.
pub fn is_on_aws(url: &str) -> bool {
    DOMAINS.iter().any(|domain| host(url).ends_with(domain))
}

/// The region that the host names: `sqs.REGION.…`, `sqs-fips.REGION.…`, an interface endpoint's
/// `….sqs.REGION.vpce.…`, and the old `REGION.queue.…`.
pub fn region(url: &str) -> Option<&str> {
    let host = host(url);
    let labels = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain))?;
    let labels = labels.strip_suffix(".vpce").unwrap_or(labels);
    let region = if let Some(region) = labels.strip_suffix(".queue") {
        region
    } else {
        let (service, region) = labels.rsplit_once('.')?;
        let service = service.rsplit('.').next()?;
        matches!(service, "sqs" | "sqs-fips").then_some(region)?
    };
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

/// The queue's name: the end of its URL.
pub fn name(url: &str) -> &str {
    url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// A FIFO queue is known by its name, which must end so and no other name may hold a dot. Not by a
/// message's group: standard queues have groups, too.
pub fn is_fifo(url: &str) -> bool {
    name(url).strip_suffix(".fifo").is_some()
}

/// The URL of the queue that `arn` names, on the host of `url`: a dead-letter queue lives in the same
/// account and region, so no request and no permission is needed to find it.
pub fn sibling(url: &str, arn: &str) -> Option<String> {
    let mut parts = arn.rsplitn(3, ':');
    let (name, account) = (parts.next()?, parts.next()?);
    let (path, own_name) = url.trim_end_matches('/').rsplit_once('/')?;
    let (base, own_account) = path.rsplit_once('/')?;
    if name.is_empty() || own_name.is_empty() || !own_account.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // ARNs of local servers may lack the account.
    let account = if account.is_empty() { own_account } else { account };
    Some(format!("{base}/{account}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_the_region_where_it_is_amazons() {
        for (url, expected) in [
            ("https://sqs.eu-central-1.amazonaws.com/123456789012/work", Some("eu-central-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/work", Some("cn-north-1")),
            ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/work", Some("us-gov-west-1")),
            ("https://sqs.eu-west-1.api.aws/1/work", Some("eu-west-1")),
            ("https://us-west-2.queue.amazonaws.com/1/work", Some("us-west-2")),
            ("https://vpce-0a1b-c2.sqs.us-east-1.vpce.amazonaws.com/1/work", Some("us-east-1")),
            ("https://queue.amazonaws.com/1/work", None),
            ("http://localhost:4566/000000000000/work", None),
            ("https://sqs.eu-central-1.example.com/1/work", None),
            ("https://s3.eu-central-1.amazonaws.com/1/work", None),
            ("work", None),
        ] {
            assert_eq!(region(url), expected, "{url}");
        }
        assert!(
            is_on_aws("https://queue.amazonaws.com/1/work") && !is_on_aws("https://amazonaws.com.evil.example/1/w")
        );
    }

    #[test]
    fn a_fifo_queue_is_known_by_its_name() {
        assert!(is_fifo("https://sqs.eu-west-1.amazonaws.com/1/work.fifo"));
        assert!(!is_fifo("https://sqs.fifo.amazonaws.com/1/work"));
    }

    #[test]
    fn a_dead_letter_queue_is_found_beside_its_source() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/work";
        let arn = "arn:aws:sqs:eu-west-1:123456789012:work_failed";
        assert_eq!(sibling(url, arn).as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/123456789012/work_failed"));
        let local = "http://127.0.0.1:9324/000000000000/work";
        assert_eq!(
            sibling(local, "arn:aws:sqs:elasticmq::failed").as_deref(),
            Some("http://127.0.0.1:9324/000000000000/failed")
        );
        assert_eq!(sibling("http://127.0.0.1:9324/queue/work", arn), None, "where the path is another one");
        assert_eq!(sibling(url, "nonsense"), None);
    }
}
