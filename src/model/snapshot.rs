//! All objects at one moment, and the deltas that lead from one moment to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::{Kind, ObjectId, Text};
use super::object::{Object, Origin};

type Names = BTreeMap<Text, Arc<Object>>;

/// What changed, in the order it happened.
pub type Delta = Vec<Change>;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The object is there, with this content.
    Upsert(Arc<Object>),
    /// The object is gone.
    Delete(ObjectId),
}

impl Change {
    /// Which object changes.
    pub fn id(&self) -> &ObjectId {
        match self {
            Self::Upsert(object) => &object.id,
            Self::Delete(id) => id,
        }
    }
}

/// The same object read twice with different content (finding MS0904).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoOrigins {
    /// Which object.
    pub id: ObjectId,
    /// Where the one that counts was read.
    pub taken: Origin,
    /// Where the other was read.
    pub other: Origin,
}

/// All objects read, by kind, namespace and name. Cloning shares everything; applying a delta copies only the maps
/// of the kinds and namespaces it touches.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    kinds: BTreeMap<Kind, Arc<BTreeMap<Text, Arc<Names>>>>,
    two_origins: Vec<TwoOrigins>,
}

impl Snapshot {
    /// The next snapshot, and the kinds and namespaces that are not the same in it.
    #[must_use]
    pub fn apply(&self, delta: Delta) -> (Self, Vec<(Kind, Text)>) {
        let mut next = self.clone();
        let mut touched = Vec::new();
        for change in delta {
            let place = match change {
                Change::Upsert(object) => next.upsert(object),
                Change::Delete(id) => next.delete(&id),
            };
            touched.extend(place);
        }
        touched.sort();
        touched.dedup();
        (next, touched)
    }

    /// Adds an object that a reader found: one that is there already counts by its `resourceVersion`, else the later
    /// one counts, and two that differ are remembered.
    pub fn add(&mut self, object: Object) {
        if let Some(known) = self.get(&object.id) {
            if known.says_the_same(&object) {
                return;
            }
            let newer = match (object.meta.resource_version, known.meta.resource_version) {
                (Some(new), Some(old)) => new >= old,
                (None, _) | (_, None) => true,
            };
            let (taken, other) = if newer {
                (object.origin.clone(), known.origin.clone())
            } else {
                (known.origin.clone(), object.origin.clone())
            };
            let same = known.has_the_content_of(&object);
            // Of two that are alike the one that knows its age says more.
            let newer = newer && !(same && object.meta.created.is_none());
            if !same {
                self.two_origins.push(TwoOrigins { id: object.id.clone(), taken, other });
            }
            if !newer {
                return;
            }
        }
        self.upsert(Arc::new(object));
    }

    fn upsert(&mut self, object: Arc<Object>) -> Option<(Kind, Text)> {
        let (kind, namespace) = (object.id.kind.clone(), Arc::clone(&object.id.namespace));
        if self.get(&object.id).is_some_and(|known| known.says_the_same(&object)) {
            return None;
        }
        let namespaces = Arc::make_mut(self.kinds.entry(kind.clone()).or_default());
        let names = namespaces.entry(Arc::clone(&namespace)).or_default();
        Arc::make_mut(names).insert(Arc::clone(&object.id.name), object);
        Some((kind, namespace))
    }

    fn delete(&mut self, id: &ObjectId) -> Option<(Kind, Text)> {
        self.get(id)?;
        let namespaces = Arc::make_mut(self.kinds.get_mut(&id.kind)?);
        Arc::make_mut(namespaces.get_mut(&id.namespace)?).remove(&id.name)?;
        Some((id.kind.clone(), Arc::clone(&id.namespace)))
    }

    /// The object with this id.
    pub fn get(&self, id: &ObjectId) -> Option<&Arc<Object>> {
        self.kinds.get(&id.kind)?.get(&id.namespace)?.get(&id.name)
    }

    /// All objects of a kind, by namespace and name.
    pub fn of_kind<'a>(&'a self, kind: &Kind) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.kinds.get(kind).into_iter().flat_map(|all| all.values()).flat_map(|names| names.values())
    }

    /// All objects of a kind in a namespace, by name.
    pub fn in_namespace<'a>(
        &'a self,
        kind: &Kind,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.kinds.get(kind).and_then(|all| all.get(namespace)).into_iter().flat_map(|names| names.values())
    }

    /// All objects, by kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.kinds.values().flat_map(|all| all.values()).flat_map(|names| names.values())
    }

    /// The number of objects of each kind.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (kind, namespaces) in &self.kinds {
            let number: usize = namespaces.values().map(|names| names.len()).sum();
            if number > 0 {
                *counts.entry(kind.name().to_owned()).or_default() += number;
            }
        }
        counts
    }

    /// Objects that were read twice with different content, in the order they were read.
    pub fn two_origins(&self) -> &[TwoOrigins] {
        &self.two_origins
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.objects().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::object::{Body, Metadata};

    fn object(namespace: &str, name: &str, line: u64, version: Option<u64>) -> Object {
        Object {
            id: ObjectId::new(Kind::Service, namespace, name),
            api_version: "v1".into(),
            meta: Metadata { resource_version: version, ..Metadata::default() },
            origin: Origin { file: "x.yaml".into(), line },
            body: Body::Raw,
            json: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_delta_gives_the_next_snapshot_and_names_what_it_touched() {
        let empty = Snapshot::default();
        let upsert = |namespace, name| Change::Upsert(Arc::new(object(namespace, name, 1, None)));
        let (first, touched) = empty.apply(vec![upsert("a", "one"), upsert("b", "two")]);
        assert_eq!(touched, [(Kind::Service, "a".into()), (Kind::Service, "b".into())]);
        assert!(empty.is_empty() && first.objects().count() == 2);
        // What says the same touches nothing, wherever it was read.
        assert!(first.apply(vec![Change::Upsert(Arc::new(object("a", "one", 9, None)))]).1.is_empty());
        let gone = ObjectId::new(Kind::Service, "a", "one");
        let (second, touched) = first.apply(vec![Change::Delete(gone.clone()), Change::Delete(gone)]);
        assert_eq!((second.objects().count(), touched.len()), (1, 1));
        assert_eq!(first.objects().count(), 2);
    }

    #[test]
    fn of_an_object_read_twice_the_newer_counts_and_the_other_is_remembered() {
        let mut snapshot = Snapshot::default();
        let labelled = |label: &str, line: u64, version: Option<u64>| {
            let mut object = object("a", "one", line, version);
            object.meta.labels = crate::model::Labels::from_pairs(vec![("app".into(), label.into())]);
            object
        };
        snapshot.add(labelled("new", 1, Some(7)));
        snapshot.add(labelled("old", 2, Some(5)));
        let id = ObjectId::new(Kind::Service, "a", "one");
        let taken = |snapshot: &Snapshot| snapshot.get(&id).map(|one| one.origin.line);
        assert_eq!(taken(&snapshot), Some(1));
        assert_eq!(
            snapshot.two_origins().first().map(|twice| (twice.taken.line, twice.other.line)),
            Some((1, 2))
        );
        // Without versions to compare the later one counts; an equal one is not remembered.
        snapshot.add(labelled("later", 3, None));
        assert_eq!((taken(&snapshot), snapshot.two_origins().len()), (Some(3), 2));
        snapshot.add(labelled("later", 4, None));
        assert_eq!((taken(&snapshot), snapshot.two_origins().len()), (Some(3), 2));
        // What the server adds is no other content, and a copy without it says less.
        let served = |line: u64, created: Option<i64>| {
            let mut object = labelled("later", line, Some(9));
            (object.meta.created, object.meta.changed) = (created, created);
            object
        };
        snapshot.add(served(5, Some(1)));
        assert_eq!((taken(&snapshot), snapshot.two_origins().len()), (Some(5), 2));
        snapshot.add(labelled("later", 6, None));
        assert_eq!((taken(&snapshot), snapshot.two_origins().len()), (Some(5), 2));
        snapshot.add(served(7, Some(2)));
        assert_eq!((taken(&snapshot), snapshot.two_origins().len()), (Some(7), 3));
    }
}
