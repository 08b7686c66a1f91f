//! Who may begin. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::Bounds;

/// `W` is whom to tell that its turn has come.
#[derive(Debug)]
pub struct Places<W> {
    bounds: Bounds,
    /// Those that have anything here.
    namespaces: BTreeMap<String, Namespace<W>>,
    /// Under way and not old, of all.
    fresh: usize,
    tickets: u64,
}

#[derive(Debug)]
struct Namespace<W> {
    /// Old ones as well.
    under_way: usize,
    /// In the order in which they came.
    waiting: VecDeque<(u64, W)>,
}

impl<W> Places<W> {
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, namespaces: BTreeMap::new(), fresh: 0, tickets: 0 }
    }

    /// The answer is what it leaves with.
    pub fn join(&mut self, namespace: &str, waiting: W) -> u64 {
        self.tickets += 1;
        let new = || Namespace { under_way: 0, waiting: VecDeque::new() };
        let of_namespace = self.namespaces.entry(namespace.to_owned()).or_insert_with(new);
        of_namespace.waiting.push_back((self.tickets, waiting));
        self.tickets
    }

    /// Those whose turn has come: they are under way from now on.
    pub fn admit(&mut self) -> Vec<W> {
        let mut admitted = Vec::new();
        while let Some(next) = self.next() {
            next.under_way += 1;
            admitted.extend(next.waiting.pop_front().map(|(_, waiting)| waiting));
            self.fresh += 1;
        }
        admitted
    }

    fn next(&mut self) -> Option<&mut Namespace<W>> {
        let Bounds { of_one, fresh, kept_free } = self.bounds;
        let may_begin = |namespace: &&mut Namespace<W>| {
            let room = if namespace.under_way < kept_free { fresh } else { fresh.saturating_sub(kept_free) };
            !namespace.waiting.is_empty() && namespace.under_way < of_one && self.fresh < room
        };
        let order =
            |namespace: &&mut Namespace<W>| (namespace.under_way, namespace.waiting.front().map(|(ticket, _)| *ticket));
        self.namespaces.values_mut().filter(may_begin).min_by_key(order)
    }

    /// One that is under way hangs.
    pub fn gets_old(&mut self) {
        self.fresh = self.fresh.saturating_sub(1);
    }

    /// It has ended, or was given up, under way or not.
    pub fn leave(&mut self, namespace: &str, ticket: u64, old: bool) {
        let Some(of_namespace) = self.namespaces.get_mut(namespace) else { return };
        if let Some(at) = of_namespace.waiting.iter().position(|(waiting, _)| *waiting == ticket) {
            of_namespace.waiting.remove(at);
        } else {
            of_namespace.under_way = of_namespace.under_way.saturating_sub(1);
            self.fresh = self.fresh.saturating_sub(usize::from(!old));
        }
        if of_namespace.under_way == 0 && of_namespace.waiting.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.fresh == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { of_one: 4, fresh: 6, kept_free: 2 };

    /// Joins as often as the name says, and is told by its name.
    fn places(namespaces: &[(&'static str, usize)]) -> Places<&'static str> {
        let mut places = Places::new(BOUNDS);
        for (namespace, count) in namespaces {
            for _ in 0..*count {
                places.join(namespace, *namespace);
            }
        }
        places
    }

    #[test]
    fn one_alone_has_all_that_one_may_have() {
        assert_eq!(places(&[("a", 9)]).admit(), ["a"; 4]);
    }

    #[test]
    fn who_has_the_fewest_is_next_however_many_others_came_before() {
        assert_eq!(places(&[("a", 9), ("b", 2), ("c", 1)]).admit(), ["a", "b", "c", "a", "b"]);
    }

    #[test]
    fn the_last_places_are_for_those_who_have_few() {
        let mut places = places(&[("a", 9)]);
        places.admit();
        for name in ["b", "c", "d"] {
            places.join(name, name);
        }
        assert_eq!(places.admit(), ["b", "c"], "six in all");
        places.leave("a", 1, false);
        assert_eq!(places.admit(), ["d"], "and not one of those who have three");
    }

    #[test]
    fn what_hangs_gives_its_place_to_others_and_not_to_its_own() {
        let mut places = places(&[("a", 9)]);
        places.admit();
        (0..4).for_each(|_| places.gets_old());
        assert!(places.admit().is_empty());
        for _ in 0..9 {
            places.join("b", "b");
        }
        assert_eq!(places.admit(), ["b"; 4]);
    }
}
