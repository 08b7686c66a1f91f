//! The staleness of Amazon's counters, which a local server does not have: told as looks over time.

use super::*;

/// (second, visible, in flight)
type At = (f64, u64, u64);

fn belief(looks: &[At]) -> Belief {
    let mut belief = Belief::new(false);
    for &(at, visible, in_flight) in looks {
        belief.looked(Look { visible, in_flight, delayed: 0, at: Timestamp(at) });
    }
    belief
}

/// ready, in flight, unsettled; `None` = nothing to say yet.
fn told(belief: &Belief, now: f64) -> Option<(u64, Option<u64>, bool)> {
    match belief.reading(Timestamp(now))? {
        QueueReading::Known(counts) => {
            Some((counts.ready, counts.unacked.map(|unacked| unacked.count), counts.unsettled))
        }
        QueueReading::Unknown(why) => panic!("{why}"),
    }
}

/// Looks that find nothing, every `period` seconds.
fn zeros(from: f64, until: f64, period: f64) -> Vec<At> {
    let mut looks = vec![];
    let mut at = from;
    while at <= until {
        looks.push((at, 0, 0));
        at += period;
    }
    looks
}

/// Ready, in flight, and whether the zero is still to be proved.
type Told = Option<(u64, Option<u64>, bool)>;

#[test]
fn what_is_told_after_each_story() {
    let after = |looks: &[At], more: &[At]| [looks, more].concat();
    let asleep = zeros(0.0, 100.0, 20.0);
    let table: Vec<(&str, Vec<At>, Told)> = vec![
        ("nothing was looked at", vec![], None),
        ("many are believed at once", vec![(0.0, 37, 0)], Some((37, Some(0), false))),
        ("many in flight as well", vec![(0.0, 0, 12)], Some((0, Some(12), false))),
        ("a first look at a few waits for a second", vec![(0.0, 3, 0)], None),
        ("and the second is believed", vec![(0.0, 3, 0), (2.0, 3, 0)], Some((3, Some(0), false))),
        ("one look at nothing proves nothing", vec![(0.0, 0, 0)], Some((0, Some(0), true))),
        ("a busy queue that looks empty may not be", vec![(0.0, 50, 8), (2.0, 0, 0)], Some((0, Some(0), true))),
        ("a minute of nothing is not enough", zeros(0.0, 60.0, 5.0), Some((0, Some(0), true))),
        ("75 seconds are", zeros(0.0, 75.0, 5.0), Some((0, Some(0), false))),
        ("75 seconds with two looks only are not", vec![(0.0, 0, 0), (80.0, 0, 0)], Some((0, Some(0), true))),
        ("an idle queue is proved in its own rhythm", asleep.clone(), Some((0, Some(0), false))),
        (
            "an old server's answer starts the proof anew",
            [zeros(0.0, 70.0, 5.0), vec![(75.0, 0, 20)], zeros(80.0, 100.0, 5.0)].concat(),
            Some((0, Some(0), true)),
        ),
        ("a leftover on one server wakes nobody", after(&asleep, &[(120.0, 1, 0)]), Some((0, Some(0), true))),
        ("and is forgotten", after(&asleep, &[(120.0, 1, 0), (122.0, 0, 0)]), Some((0, Some(0), true))),
        ("seen twice it is a task", after(&asleep, &[(120.0, 1, 0), (122.0, 1, 0)]), Some((1, Some(0), false))),
        ("a burst wakes at once", after(&asleep, &[(120.0, 10, 0)]), Some((10, Some(0), false))),
        ("one in flight is one leftover, too", after(&asleep, &[(120.0, 0, 1)]), Some((0, Some(0), true))),
        ("a busy queue's few are no leftover", vec![(0.0, 50, 8), (2.0, 1, 8)], Some((1, Some(8), false))),
        ("from a few to fewer there is no doubt", vec![(0.0, 0, 12), (2.0, 0, 1)], Some((0, Some(1), false))),
    ];
    for (story, looks, expected) in table {
        let now = looks.last().map_or(0.0, |last| last.0);
        assert_eq!(told(&belief(&looks), now), expected, "{story}");
    }
}

#[test]
fn a_doubted_look_leaves_the_last_one_with_its_age() {
    let belief = belief(&[(0.0, 0, 0), (20.0, 2, 0)]);
    assert!(belief.is_doubted());
    let Some(QueueReading::Known(counts)) = belief.reading(Timestamp(20.0)) else { panic!() };
    assert_eq!(counts.at, Timestamp(0.0));
}

#[test]
fn delayed_messages_are_no_waiting_tasks_but_the_queue_is_not_empty() {
    let mut belief = Belief::new(false);
    for at in 0..30 {
        belief.looked(Look { delayed: 3, at: Timestamp(f64::from(at) * 5.0), ..Look::default() });
    }
    assert_eq!(told(&belief, 145.0), Some((0, Some(0), true)));
    assert!(!belief.looks_empty());
}

#[test]
fn a_failure_that_passes_leaves_the_last_look_for_a_while_and_breaks_the_proof() {
    let why = |class| Unknown { class, reason: "R", message: String::new() };
    let mut belief = belief(&zeros(0.0, 100.0, 5.0));
    belief.failed(why(ErrorClass::Transient));
    assert_eq!(told(&belief, 110.0), Some((0, Some(0), true)));
    assert!(matches!(belief.reading(Timestamp(131.0)), Some(QueueReading::Unknown(_))));
    belief.looked(Look { at: Timestamp(132.0), ..Look::default() });
    assert_eq!(told(&belief, 132.0), Some((0, Some(0), true)), "it begins anew");
    belief.failed(why(ErrorClass::Misconfigured));
    assert!(matches!(belief.reading(Timestamp(133.0)), Some(QueueReading::Unknown(_))), "a person must know at once");
}

#[test]
fn the_groups_of_a_fifo_queue_are_told() {
    let mut belief = Belief::new(true);
    belief.looked(Look { visible: 100, at: Timestamp(1.0), ..Look::default() });
    assert!(matches!(belief.reading(Timestamp(1.0)), Some(QueueReading::Known(counts)) if counts.message_groups));
}
