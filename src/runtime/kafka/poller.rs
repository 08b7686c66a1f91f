//! The thread that has the consumer: librdkafka's calls block, and only a member that polls is alive.
//!
//! It sleeps until librdkafka has something or a [`Command`] comes, does what is due and sleeps again.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::committer::{Commit, Committer};
use super::context::{Context, Event, answer, list};
use super::delivery::Command;
use super::partitions::{Out, Partitions};
use super::record::{Key, Record};
use super::{OffsetReset, start};

/// Longest sleep: everything that matters wakes it, this is for what librdkafka does not tell.
const NAP: Duration = Duration::from_millis(200);
/// Between attempts of a commit or a look that failed.
const RETRY: Duration = Duration::from_millis(500);
/// A worker that is to stop waits so long for a broker that takes no commit.
const LAST_COMMIT: Duration = Duration::from_secs(60);
/// For the commit under way when the group is left.
const LEAVE: Duration = Duration::from_secs(5);
/// So long after a partition came or went more may: workers of a pool that wakes join one by one, and each is heard of
/// only with a heartbeat (5 s).
const MOVING: Duration = Duration::from_secs(30);
/// Records taken before anything else is looked at, above all whether they are enough.
const AT_ONCE: usize = 32;

/// librdkafka's side.
pub struct Client {
    pub consumer: Arc<BaseConsumer<Context>>,
    pub committer: Committer,
    /// Whether the login or the certificates are others than this client has.
    pub renewed: Box<dyn Fn() -> bool>,
    pub reset: OffsetReset,
}

pub struct Poller {
    client: Client,
    partitions: Partitions,
    commands: mpsc::Receiver<Command>,
    /// `None` = no more are given out.
    deliveries: Option<UnboundedSender<Out>>,
    slots: usize,
    /// Given out and not gone.
    out: usize,
    /// When a partition last came or went.
    moved: Instant,
    /// Rebalances to be answered, in order.
    pending: VecDeque<Event>,
    /// Commits under way.
    asked: usize,
    /// Since when commits are under way or fail, without one that went well.
    unheard: Option<Instant>,
    /// Nothing that failed is tried before.
    retry_at: Instant,
    ended: Option<Ended>,
}

/// Why the poller has ended.
#[derive(Debug)]
pub enum Ended {
    Left(Option<oneshot::Sender<()>>),
    /// Brokers refuse this client, and another one would go as somebody else: as whom, a client of
    /// librdkafka is told once.
    Renewed,
    /// librdkafka goes no further with this consumer.
    Fatal(RDKafkaErrorCode),
}

impl Poller {
    pub fn new(
        client: Client,
        partitions: Partitions,
        commands: mpsc::Receiver<Command>,
        deliveries: UnboundedSender<Out>,
        slots: u16,
    ) -> Self {
        Self {
            client,
            partitions,
            commands,
            deliveries: Some(deliveries),
            slots: slots.into(),
            out: 0,
            moved: Instant::now(),
            pending: VecDeque::new(),
            asked: 0,
            unheard: None,
            retry_at: Instant::now(),
            ended: None,
        }
    }

    /// Until told to leave, or until the consumer is broken. Answers only after the group is left.
    pub fn run(mut self) -> Ended {
        let ended = loop {
            self.obey();
            let more = self.poll();
            self.listen();
            self.rebalance();
            self.turn();
            self.give();
            self.commit();
            if let Some(ended) = self.ended.take() {
                break ended;
            }
            if !more {
                std::thread::park_timeout(NAP);
            }
        };
        self.leave();
        ended
    }

    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Done { key, tenure, offset, ack } => self.partitions.done(&key, tenure, offset, ack),
                Command::Gone { key, tenure, record } => {
                    self.out = self.out.saturating_sub(1);
                    self.partitions.gone(&key, tenure, record);
                }
                Command::Resize(slots) => self.slots = slots.into(),
                Command::Stop(stopped) => {
                    self.deliveries = None;
                    let _ = stopped.send(());
                }
                Command::Leave(left) => self.ended = Some(Ended::Left(Some(left))),
            }
        }
    }

    /// Takes what librdkafka has, and answers whether it has more: it wakes nobody for what it had
    /// before. A poll that served an event answers like one that found nothing.
    fn poll(&mut self) -> bool {
        let (mut taken, mut nothing) = (0, 0);
        while nothing < 3 && taken < AT_ONCE {
            match self.client.consumer.poll(Duration::ZERO) {
                None => nothing += 1,
                Some(Ok(message)) => {
                    (taken, nothing) = (taken + 1, 0);
                    let record = Record::new(&message);
                    let (topic, partition, offset) = (record.key.0.clone(), record.key.1, record.offset);
                    if self.partitions.arrive(record) {
                        warn!(%topic, partition, offset, "the partition's log has begun again: its offsets are below those known, and all of it is done");
                    }
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    nothing += 1;
                    self.ended = Some(Ended::Fatal(code));
                }
                // Its reason was told by the context.
                Some(Err(error)) => {
                    nothing += 1;
                    if refuses(&error) && (self.client.renewed)() {
                        self.ended = Some(Ended::Renewed);
                    }
                }
            }
        }
        nothing < 3
    }

    fn listen(&mut self) {
        while let Some(event) = self.client.consumer.context().next() {
            match event {
                Event::Revoked(ref keys) => {
                    self.partitions.revoke(keys);
                    let running = self.partitions.running(keys);
                    if running > 0 {
                        info!(
                            partitions = keys.len(),
                            running, "partitions are to go to another worker: when their tasks have ended"
                        );
                    }
                    self.pending.push_back(event);
                }
                event => self.pending.push_back(event),
            }
        }
    }

    fn rebalance(&mut self) {
        while let Some(event) = self.pending.front() {
            let answered = match event {
                Event::Assigned(keys) => self.begin(&keys.clone()),
                Event::Revoked(keys) => self.give_up(&keys.clone()),
                Event::Lost(keys) => self.lose(&keys.clone()),
            };
            if !answered {
                return;
            }
            self.pending.pop_front();
            self.moved = Instant::now();
        }
    }

    fn begin(&mut self, keys: &[Key]) -> bool {
        if Instant::now() < self.retry_at {
            return false;
        }
        let found = start::find(&self.client.consumer, keys, self.client.reset);
        let found = found.and_then(|starts| start::assignment(&starts).map(|assignment| (starts, assignment)));
        let (starts, assignment) = match found {
            Ok(found) => found,
            Err(error) => {
                let error = self.client.consumer.context().complaints.explain(&error);
                warn!(error, "the start of new partitions is not to be had; trying again");
                self.retry_at = Instant::now() + RETRY;
                return false;
            }
        };
        answer(&self.client.consumer, true, &assignment);
        // A partition that comes back is still paused if it was when it went.
        note("resume", self.client.consumer.resume(&assignment));
        if !starts.is_empty() {
            info!(partitions = starts.len(), "partitions taken");
        }
        self.partitions.assign(starts);
        true
    }

    /// Only at rest: whoever has them next must find everything committed.
    fn give_up(&mut self, keys: &[Key]) -> bool {
        if self.client.consumer.assignment_lost() {
            return self.lose(keys);
        }
        if !self.partitions.at_rest(keys) {
            return false;
        }
        self.partitions.remove(keys);
        answer(&self.client.consumer, false, &list(keys));
        info!(partitions = keys.len(), "partitions given up");
        true
    }

    fn lose(&mut self, keys: &[Key]) -> bool {
        let running = self.partitions.remove(keys);
        answer(&self.client.consumer, false, &list(keys));
        warn!(
            partitions = keys.len(),
            running, "partitions are lost: the group has gone on without this worker; what runs is not committed"
        );
        true
    }

    fn turn(&mut self) {
        let (pause, resume) = self.partitions.turns();
        if !pause.is_empty() {
            note("pause", self.client.consumer.pause(&list(&pause)));
        }
        if !resume.is_empty() {
            note("resume", self.client.consumer.resume(&list(&resume)));
        }
    }

    fn give(&mut self) {
        let Some(deliveries) = &self.deliveries else { return };
        self.partitions.gathers = self.moved.elapsed() < MOVING;
        while self.out < self.slots {
            let Some(out) = self.partitions.take() else { return };
            self.out += 1;
            // Nobody listens any more: the command to leave is on its way.
            if deliveries.send(out).is_err() {
                return;
            }
        }
    }

    /// All that is due, when the answers to what was due before are here: ends that come meanwhile
    /// share a commit.
    fn commit(&mut self) {
        while let Some(commit) = self.client.committer.answer() {
            self.answered(commit);
        }
        if self.deliveries.is_none() && self.unheard.is_some_and(|since| since.elapsed() > LAST_COMMIT) {
            warn!("the broker takes no commit; what is not committed runs again elsewhere");
            self.partitions.remove(&self.partitions.keys());
            self.unheard = None;
        }
        if self.asked > 0 || Instant::now() < self.retry_at {
            return;
        }
        for commit in self.partitions.due() {
            self.unheard.get_or_insert_with(Instant::now);
            self.asked += 1;
            self.client.committer.ask(commit);
        }
    }

    fn answered(&mut self, commit: Commit) {
        self.asked = self.asked.saturating_sub(1);
        let (key, refused) = (commit.key.clone(), commit.refused);
        self.partitions.answered(commit);
        let Some(code) = refused else {
            self.unheard = None;
            return;
        };
        warn!(topic = %key.0, partition = key.1, error = %code, "not committed; trying again");
        self.retry_at = Instant::now() + RETRY;
        self.mind(&key, code);
    }

    fn mind(&mut self, key: &Key, code: RDKafkaErrorCode) {
        use RDKafkaErrorCode::{
            FencedMemberEpoch, IllegalGeneration, OffsetMetadataTooLarge, UnknownMemberId, UnknownTopicOrPartition,
        };
        match code {
            OffsetMetadataTooLarge => self.partitions.shrink_metadata(),
            // No later attempt goes better. While the partition is not revoked librdkafka will tell
            // that it is lost; during a revocation it waits for our answer instead.
            FencedMemberEpoch | IllegalGeneration | UnknownMemberId | UnknownTopicOrPartition => {
                let revoked = |event: &Event| matches!(event, Event::Revoked(keys) if keys.contains(key));
                if self.pending.iter().any(revoked) {
                    let running = self.partitions.remove(std::slice::from_ref(key));
                    warn!(topic = %key.0, partition = key.1, running, error = %code, "a partition is lost");
                }
            }
            _ => {}
        }
    }

    /// Whoever still waits hears that it is lost, then the group is left. librdkafka calls back for
    /// the partitions that it has; the context answers.
    fn leave(self) {
        let Self { client: Client { consumer, committer, .. }, mut partitions, pending, deliveries, .. } = self;
        partitions.remove(&partitions.keys());
        drop(deliveries);
        committer.finish(LEAVE);
        consumer.context().leave();
        for event in &pending {
            match event {
                Event::Assigned(keys) => answer(&consumer, true, &list(keys)),
                Event::Revoked(keys) | Event::Lost(keys) => answer(&consumer, false, &list(keys)),
            }
        }
    }
}

/// A broker may refuse the login or the certificate.
fn refuses(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, Authentication, SSL, SaslAuthenticationFailed};
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| [AllBrokersDown, Authentication, SSL, SaslAuthenticationFailed].contains(&code))
}

fn note(what: &str, result: Result<(), KafkaError>) {
    if let Err(error) = result {
        warn!(%error, "Kafka: {what}");
    }
}
