//! Properties of the law itself, whatever its terms.

use proptest::prelude::*;

use crate::scaling::arrivals::Arrivals;
use crate::scaling::law::{Terms, free_slots};
use crate::scaling::time::Timestamp;

const NOW: Timestamp = Timestamp(10_000.0);

/// A queue by the ages of its tasks, oldest first.
fn queue(ages: &[f64]) -> Arrivals {
    let mut ages = ages.to_vec();
    ages.sort_by(|a, b| b.total_cmp(a));
    let mut queue = Arrivals::default();
    for age in ages {
        queue.arrive(NOW.plus(-age), 1);
    }
    queue
}

fn wanted(terms: &Terms, ages: &[f64]) -> f64 {
    terms.demand(&queue(ages), NOW).slots
}

fn everything(terms: &Terms, ages: &[f64]) -> f64 {
    (terms.in_flight + ages.len() as f64 + terms.free_slots - 1e-6).ceil()
}

prop_compose! {
    fn any_terms()(
        slots in 0_u32..400,
        in_flight in 0_u32..400,
        task_duration in 0.5_f64..3600.0,
        startup in 0.0_f64..300.0,
        arrivals_per_second in 0.0_f64..5.0,
        interval in 0.5_f64..15.0,
        start_within in 1.0_f64..600.0,
        warm_slots in 0_u32..20,
    ) -> Terms {
        Terms {
            in_flight: f64::from(in_flight.min(slots)),
            slots: f64::from(slots),
            task_duration, startup, interval, start_within,
            free_slots: free_slots(arrivals_per_second, startup, interval, start_within, warm_slots),
        }
    }
}

fn any_ages() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(0.0_f64..900.0, 0..150)
}

proptest! {
    #[test]
    fn an_empty_queue_asks_for_what_is_in_flight_and_the_free_slots(terms in any_terms()) {
        prop_assert_eq!(wanted(&terms, &[]), everything(&terms, &[]));
    }

    #[test]
    fn a_pool_without_slots_asks_for_everything_at_once(terms in any_terms(), ages in any_ages()) {
        let terms = Terms { slots: 0.0, in_flight: 0.0, ..terms };
        prop_assert_eq!(wanted(&terms, &ages), everything(&terms, &ages));
    }

    #[test]
    fn where_no_cold_start_can_be_in_time_no_completion_is_counted_on(terms in any_terms(), ages in any_ages()) {
        let terms = Terms { startup: terms.startup.max(terms.start_within - terms.interval), ..terms };
        prop_assert_eq!(wanted(&terms, &ages), everything(&terms, &ages));
    }

    #[test]
    fn never_more_than_everything_and_never_less_than_what_is_in_flight(terms in any_terms(), ages in any_ages()) {
        let wanted = wanted(&terms, &ages);
        prop_assert!(wanted <= everything(&terms, &ages));
        prop_assert!(wanted >= terms.in_flight);
    }

    #[test]
    fn no_growth_while_slots_are_free_for_every_queued_task(terms in any_terms(), ages in any_ages()) {
        let free = ages.len() as f64 + terms.free_slots;
        let terms = Terms { slots: terms.slots.max((terms.in_flight + free).ceil()), ..terms };
        prop_assert!(wanted(&terms, &ages) <= terms.slots);
    }

    #[test]
    fn one_more_task_never_asks_for_less(terms in any_terms(), ages in any_ages(), more in 0.0_f64..900.0) {
        let longer: Vec<f64> = ages.iter().copied().chain([more]).collect();
        prop_assert!(wanted(&terms, &longer) >= wanted(&terms, &ages));
    }

    #[test]
    fn an_older_task_never_asks_for_less(
        terms in any_terms(), ages in any_ages(), which in any::<prop::sample::Index>(), older in 0.0_f64..300.0,
    ) {
        prop_assume!(!ages.is_empty());
        let mut aged = ages.clone();
        aged[which.index(ages.len())] += older;
        prop_assert!(wanted(&terms, &aged) >= wanted(&terms, &ages));
    }

    #[test]
    fn a_longer_startup_never_asks_for_less(terms in any_terms(), ages in any_ages(), longer in 0.0_f64..300.0) {
        let slower = Terms { startup: terms.startup + longer, free_slots: terms.free_slots + longer, ..terms };
        prop_assert!(wanted(&slower, &ages) >= wanted(&terms, &ages));
    }

    #[test]
    fn applying_the_answer_and_asking_again_changes_nothing(terms in any_terms(), ages in any_ages()) {
        let first = wanted(&terms, &ages);
        prop_assert_eq!(wanted(&Terms { slots: first, ..terms }, &ages), first);
    }

    #[test]
    fn binning_arrivals_towards_older_never_asks_for_less(terms in any_terms(), ages in any_ages()) {
        let rounded: Vec<f64> = ages.iter().map(|age| (age / 10.0).ceil() * 10.0).collect();
        prop_assert!(wanted(&terms, &rounded) >= wanted(&terms, &ages));
    }
}
