//! A local copy of one kind of object in one namespace, kept by a watch and found by pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// Which pool (or other group) an object belongs to; `None` = nobody's.
pub type GroupOf<K> = fn(&K) -> Option<String>;

/// Objects by name, indexed by group, so that one pool's pods are found without looking at all others'. In the order of
/// their names: the same world gives the same requests in the same order.
#[derive(Debug)]
pub struct Cache<K> {
    group_of: GroupOf<K>,
    inner: RwLock<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    objects: BTreeMap<String, Arc<K>>,
    groups: BTreeMap<String, BTreeSet<String>>,
    /// A list under way; it replaces everything when complete.
    relist: Option<BTreeMap<String, Arc<K>>>,
    synced: bool,
}

impl<K: ResourceExt> Cache<K> {
    pub fn new(group_of: GroupOf<K>) -> Self {
        let inner = Inner { objects: BTreeMap::new(), groups: BTreeMap::new(), relist: None, synced: false };
        Self { group_of, inner: RwLock::new(inner) }
    }

    /// Takes one watch event; answers the groups it touched.
    pub fn apply(&self, event: Event<K>) -> BTreeSet<String> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(object) => inner.insert(self.group_of, object).into_iter().collect(),
            Event::Delete(object) => inner.remove(self.group_of, &object.name_any()).into_iter().collect(),
            Event::Init => {
                inner.relist = Some(BTreeMap::new());
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                if let Some(relist) = &mut inner.relist {
                    relist.insert(object.name_any(), Arc::new(object));
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
        let inner = self.read();
        let Some(names) = inner.groups.get(group) else { return Vec::new() };
        names.iter().filter_map(|name| inner.objects.get(name).cloned()).collect()
    }

    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: ResourceExt> Inner<K> {
    fn insert(&mut self, group_of: GroupOf<K>, object: K) -> BTreeSet<String> {
        let name = object.name_any();
        let mut touched: BTreeSet<String> = self.remove(group_of, &name).into_iter().collect();
        if let Some(group) = group_of(&object) {
            self.groups.entry(group.clone()).or_default().insert(name.clone());
            touched.insert(group);
        }
        self.objects.insert(name, Arc::new(object));
        touched
    }

    fn remove(&mut self, group_of: GroupOf<K>, name: &str) -> Option<String> {
        let group = group_of(&*self.objects.remove(name)?)?;
        if let Some(names) = self.groups.get_mut(&group) {
            names.remove(name);
            if names.is_empty() {
                self.groups.remove(&group);
            }
        }
        Some(group)
    }

    fn replace(&mut self, group_of: GroupOf<K>) -> BTreeSet<String> {
        let mut touched: BTreeSet<String> = std::mem::take(&mut self.groups).into_keys().collect();
        self.objects = self.relist.take().unwrap_or_default();
        for (name, object) in &self.objects {
            if let Some(group) = group_of(object) {
                self.groups.entry(group.clone()).or_default().insert(name.clone());
                touched.insert(group);
            }
        }
        self.synced = true;
        touched
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn of(name: &str, pool: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.into());
        object.labels_mut().insert("pool".into(), pool.into());
        object
    }

    fn cache() -> Cache<ConfigMap> {
        Cache::new(|object| object.labels().get("pool").cloned())
    }

    fn names(cache: &Cache<ConfigMap>, pool: &str) -> Vec<String> {
        cache.group(pool).iter().map(|object| object.name_any()).collect()
    }

    #[test]
    fn an_object_that_changes_its_pool_touches_both() {
        let cache = cache();
        cache.apply(Event::Apply(of("a", "red")));
        assert_eq!(cache.apply(Event::Apply(of("a", "blue"))), ["blue".to_owned(), "red".into()].into());
        assert_eq!(names(&cache, "red"), Vec::<String>::new());
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
        assert_eq!(names(&cache, "red"), Vec::<String>::new());
        assert!(cache.synced());
    }
}
