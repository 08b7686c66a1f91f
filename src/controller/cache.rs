//! A local copy of one kind of object in one namespace, kept by a watch and found by pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use kube::runtime::watcher::Event;

use super::objects::Named;

/// Which pool (or other group) an object belongs to; `None` = nobody's.
pub type GroupOf<K> = fn(&K) -> Option<&str>;

/// Objects by name, indexed by group, so that one pool's pods are found without looking at all others'. In the order of
/// their names: the same world gives the same requests in the same order.
#[derive(Debug)]
pub struct Cache<K> {
    group_of: GroupOf<K>,
    inner: RwLock<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    objects: BTreeMap<Box<str>, Arc<K>>,
    groups: BTreeMap<Box<str>, Vec<Arc<K>>>,
    /// A list under way; it replaces everything when complete.
    relist: Option<BTreeMap<Box<str>, Arc<K>>>,
    synced: bool,
}

impl<K: Named> Cache<K> {
    pub fn new(group_of: GroupOf<K>) -> Self {
        let inner = Inner { objects: BTreeMap::new(), groups: BTreeMap::new(), relist: None, synced: false };
        Self { group_of, inner: RwLock::new(inner) }
    }

    /// Takes one watch event; answers the groups it touched.
    pub fn apply(&self, event: Event<K>) -> BTreeSet<String> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(object) => inner.insert(self.group_of, object).into_iter().collect(),
            Event::Delete(object) => inner.remove(self.group_of, object.name()).into_iter().collect(),
            Event::Init => {
                inner.relist = Some(BTreeMap::new());
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                if let Some(relist) = &mut inner.relist {
                    relist.insert(object.name().into(), Arc::new(object));
                }
                BTreeSet::new()
            }
            Event::InitDone => inner.replace(self.group_of),
        }
    }

    /// Whether the first list is complete: before that, absence means nothing.
    pub fn synced(&self) -> bool {
        self.read().synced
    }

    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        self.read().objects.get(name).cloned()
    }

    pub fn group(&self, group: &str) -> Vec<Arc<K>> {
        self.read().groups.get(group).cloned().unwrap_or_default()
    }

    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Named> Inner<K> {
    fn insert(&mut self, group_of: GroupOf<K>, object: K) -> BTreeSet<String> {
        let mut touched: BTreeSet<String> = self.remove(group_of, object.name()).into_iter().collect();
        let object = Arc::new(object);
        touched.extend(self.join(group_of, &object));
        self.objects.insert(object.name().into(), object);
        touched
    }

    /// Adds `object` to its group.
    fn join(&mut self, group_of: GroupOf<K>, object: &Arc<K>) -> Option<String> {
        let group = group_of(object)?;
        let members = self.groups.entry(group.into()).or_default();
        let place = members.partition_point(|member| member.name() < object.name());
        members.insert(place, object.clone());
        Some(group.to_owned())
    }

    fn remove(&mut self, group_of: GroupOf<K>, name: &str) -> Option<String> {
        let object = self.objects.remove(name)?;
        let group = group_of(&object)?;
        if let Some(members) = self.groups.get_mut(group) {
            members.retain(|member| member.name() != name);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some(group.to_owned())
    }

    fn replace(&mut self, group_of: GroupOf<K>) -> BTreeSet<String> {
        let mut touched: BTreeSet<String> = std::mem::take(&mut self.groups).into_keys().map(String::from).collect();
        self.objects = self.relist.take().unwrap_or_default();
        for object in self.objects.values().cloned().collect::<Vec<_>>() {
            touched.extend(self.join(group_of, &object));
        }
        self.synced = true;
        touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Of {
        name: &'static str,
        pool: &'static str,
    }

    impl Named for Of {
        fn name(&self) -> &str {
            self.name
        }
    }

    fn of(name: &'static str, pool: &'static str) -> Of {
        Of { name, pool }
    }

    fn cache() -> Cache<Of> {
        Cache::new(|object| Some(object.pool))
    }

    fn names(cache: &Cache<Of>, pool: &str) -> Vec<&'static str> {
        cache.group(pool).iter().map(|object| object.name).collect()
    }

    #[test]
    fn a_group_is_in_the_order_of_names_and_holds_each_object_once() {
        let cache = cache();
        for name in ["b", "c", "a", "c"] {
            cache.apply(Event::Apply(of(name, "red")));
        }
        assert_eq!(names(&cache, "red"), ["a", "b", "c"]);
        cache.apply(Event::Delete(of("b", "red")));
        assert_eq!(names(&cache, "red"), ["a", "c"]);
    }

    #[test]
    fn an_object_that_changes_its_pool_touches_both() {
        let cache = cache();
        cache.apply(Event::Apply(of("a", "red")));
        assert_eq!(cache.apply(Event::Apply(of("a", "blue"))), ["blue".to_owned(), "red".into()].into());
        assert!(names(&cache, "red").is_empty());
        assert_eq!(names(&cache, "blue"), ["a"]);
    }

    #[test]
    fn a_relist_forgets_what_was_deleted_meanwhile_and_only_when_complete() {
        let cache = cache();
        cache.apply(Event::Apply(of("gone", "red")));
        cache.apply(Event::Init);
        cache.apply(Event::InitApply(of("new", "blue")));
        assert_eq!(names(&cache, "red"), ["gone"]);
        assert!(!cache.synced());
        assert_eq!(cache.apply(Event::InitDone), ["blue".to_owned(), "red".into()].into());
        assert!(names(&cache, "red").is_empty());
        assert!(cache.synced());
    }
}
