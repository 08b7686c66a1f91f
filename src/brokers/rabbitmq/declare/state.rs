//! What became of a wish, and when it is tried again. Pure; time is an argument.

use super::plan::Declare;
use crate::brokers::Declaration;
use crate::scaling::observation::ErrorClass;
use crate::scaling::time::Timestamp;

/// Seconds until a refusal is questioned: somebody may have given a permission or deleted a queue.
const REFUSED: f64 = 60.0;

/// The same for what passes by itself.
const FAILED: f64 = 5.0;

/// Seconds between two attempts for a queue that is there one moment and missing the next.
const MISSING: f64 = 3.0;

/// One pool's wish. Once it is fulfilled nothing is asked again until the queue is found missing.
#[derive(Clone, Debug)]
pub struct Wish {
    pub declare: Declare,
    outcome: Declaration,
    /// `None`: not to be tried.
    due: Option<Timestamp>,
    tried: bool,
}

impl Wish {
    pub fn new(declare: Declare) -> Self {
        Self { declare, outcome: Declaration::Pending, due: Some(Timestamp::default()), tried: false }
    }

    pub fn outcome(&self) -> &Declaration {
        &self.outcome
    }

    /// No attempt has ended yet: looking at the queue before would only find it missing.
    pub fn is_first(&self) -> bool {
        !self.tried
    }

    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// An attempt ended; whether there is news for the pool.
    pub fn ended(&mut self, outcome: Declaration, now: Timestamp) -> bool {
        self.due = match &outcome {
            Declaration::Ready => None,
            Declaration::Refused(why) if why.class == ErrorClass::Misconfigured => Some(now.plus(REFUSED)),
            Declaration::Refused(_) | Declaration::Pending => Some(now.plus(FAILED)),
        };
        self.tried = true;
        let news = self.outcome != outcome;
        self.outcome = outcome;
        news
    }

    /// The queue was found missing; whether there is something to do.
    pub fn missing(&mut self, now: Timestamp) -> bool {
        let again = self.due.is_none();
        if again {
            self.due = Some(now.plus(MISSING));
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::QueueType;
    use super::*;
    use crate::scaling::observation::Unknown;

    const NOW: Timestamp = Timestamp(100.0);

    fn wish() -> Wish {
        Wish::new(Declare {
            queue_type: QueueType::Quorum,
            max_priority: None,
            message_ttl: None,
            consumer_timeout: None,
            bindings: Vec::new(),
            dead_letter: None,
        })
    }

    fn refused(class: ErrorClass) -> Declaration {
        Declaration::Refused(Unknown { class, reason: "R", message: String::new() })
    }

    #[test]
    fn a_fulfilled_wish_asks_for_nothing_until_the_queue_is_missing() {
        let mut wish = wish();
        assert!(wish.is_first() && wish.due().is_some_and(|due| due <= NOW));
        assert!(wish.ended(Declaration::Ready, NOW));
        assert_eq!((wish.is_first(), wish.due()), (false, None));
        assert!(wish.missing(NOW));
        assert_eq!(wish.due(), Some(NOW.plus(MISSING)));
        assert!(!wish.missing(NOW.plus(1.0)), "it is under way");
        assert!(!wish.ended(Declaration::Ready, NOW.plus(4.0)), "no news");
    }

    #[test]
    fn a_refusal_is_questioned_seldom_and_an_outage_soon() {
        let mut wish = wish();
        assert!(wish.ended(refused(ErrorClass::Misconfigured), NOW));
        assert_eq!(wish.due(), Some(NOW.plus(REFUSED)));
        assert!(!wish.ended(refused(ErrorClass::Misconfigured), NOW.plus(REFUSED)), "no news");
        wish.ended(refused(ErrorClass::Transient), NOW);
        assert_eq!(wish.due(), Some(NOW.plus(FAILED)));
    }
}
