//! A mesh that took up one change after the other is the mesh that is made of the same objects at once.

mod objects;

use std::sync::Arc;

use meshscope::answer::tls_check::{self, Query, TlsCheck};
use meshscope::diagnose::{Diagnosis, diagnose};
use meshscope::model::{Change, Snapshot};
use meshscope::resolve::{Mesh, Options};
use proptest::prelude::*;

use objects::{object, shared};

/// Slots of objects: each is a kind and a name.
const SLOTS: usize = 88;

/// A change of one object: its slot, and what its content is made of; `None` deletes it.
type Step = (usize, Option<u64>);

fn step() -> impl Strategy<Value = Step> {
    (0..SLOTS, prop::option::weighted(0.75, any::<u64>()))
}

fn change((slot, seed): Step) -> Change {
    match seed {
        Some(seed) => Change::Upsert(shared(slot, seed)),
        None => Change::Delete(object(slot, 0).id),
    }
}

/// Answers of all pairs, one row a client pod.
fn pairs(mesh: &Mesh) -> TlsCheck {
    tls_check::check(mesh, &Query { each_client: true, ..Query::default() })
}

fn same_diagnosis(one: &Diagnosis, other: &Diagnosis) {
    assert_eq!(one.findings, other.findings);
    assert_eq!((one.pairs, one.unknown), (other.pairs, other.unknown));
    assert_eq!((&one.missing, &one.assumed), (&other.missing, &other.assumed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_change_after_the_other_gives_what_a_computation_from_nothing_does(
        first in prop::collection::vec(step(), 20..80),
        deltas in prop::collection::vec(prop::collection::vec(step(), 1..4), 40),
        old in prop::option::weighted(0.2, prop::sample::select(vec!["1.4", "1.6", "1.20", "1.23"])),
    ) {
        let options = Options { istio_version: old.map(str::to_owned), ..Options::default() };
        let (snapshot, _) = Snapshot::default().apply(first.into_iter().map(change).collect());
        let mut mesh = Arc::unwrap_or_clone(Mesh::new(&snapshot, &options));
        for delta in deltas {
            (mesh, _) = mesh.apply(delta.into_iter().map(change).collect());
            let afresh = Mesh::new(&mesh.snapshot, &options);
            prop_assert_eq!(pairs(&mesh), pairs(&afresh));
            same_diagnosis(&diagnose(&mesh, &[]), &diagnose(&afresh, &[]));
        }
    }
}
