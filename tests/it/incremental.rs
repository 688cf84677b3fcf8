//! A mesh that took up one change after the other is the mesh that is made of the same objects at once.

mod objects;

use std::sync::Arc;

use meshscope::answer::tls_check::{self, Query, TlsCheck};
use meshscope::diagnose::{Diagnosis, diagnose};
use meshscope::model::pod::ProxyKind;
use meshscope::model::{Change, Snapshot, Text};
use meshscope::resolve::table::Answer;
use meshscope::resolve::{Choice, Mesh, Options, PairTls, Table};
use proptest::prelude::*;
use serde_json::{Value, json};

use objects::{ROW, ROWS, RULES_AND_POLICIES, Wild, decode, object, shared};

/// A change of one object: its slot, which is a kind and a name, and what its content is made of; `None` deletes it.
type Step = (usize, Option<u64>);

fn step() -> impl Strategy<Value = Step> {
    (0..ROWS * ROW, prop::option::weighted(0.75, any::<u64>()))
}

/// Of a rule or a policy.
fn rule_or_policy() -> impl Strategy<Value = Step> {
    let slot = (0..ROWS, 0..RULES_AND_POLICIES).prop_map(|(row, at)| row * ROW + at);
    // Where there are few rules, more of them are looked at.
    (slot, prop::option::weighted(0.4, any::<u64>()))
}

fn change((slot, seed): Step, wild: Wild) -> Change {
    match seed {
        Some(seed) => Change::Upsert(shared(slot, seed, wild)),
        None => Change::Delete(object(slot, 0, wild).id),
    }
}

fn mesh_of(steps: Vec<Step>, wild: Wild, options: &Options) -> Arc<Mesh> {
    let delta = steps.into_iter().map(|step| change(step, wild)).collect();
    Mesh::new(&Snapshot::default().apply(delta).0, options)
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

/// Every pod, host, port and subset in use, with its answer, as a table has them.
fn listed(mesh: &Mesh, table: &Table) -> Vec<(usize, Text, u16, Option<Text>, Answer)> {
    let mut all = Vec::new();
    for pod in 0..mesh.workloads.all().len() {
        for (host, cells) in table.of_client(mesh, pod) {
            assert_eq!(table.of_pair(mesh, pod, host), cells);
            all.extend(cells.iter().map(|cell| {
                let answer = table.answer(cell).unwrap().clone();
                (pod, host.clone(), cell.port, cell.subset.clone(), answer)
            }));
        }
    }
    all
}

/// The same, asked pair by pair.
fn asked(mesh: &Mesh) -> Vec<(usize, Text, u16, Option<Text>, Answer)> {
    let mut all = Vec::new();
    let clients = mesh.workloads.all().iter().enumerate().filter(|(_, one)| one.proxy != ProxyKind::None);
    for (pod, client) in clients {
        for host in mesh.registry.hosts() {
            let target = mesh.target(client, host).unwrap();
            if !target.is_in_scope() || target.service.is_alias() || !mesh.calls(client, target.service) {
                continue;
            }
            let called = mesh.scopes.subsets_called(client, host);
            let mut subsets = mesh.subsets(mesh.choice(client, &target).as_ref());
            subsets.retain(|subset| called.contains(subset));
            for port in target.service.ports().iter().filter(|port| port.tcp && target.has(port.number)) {
                for subset in std::iter::once(None).chain(subsets.iter().map(Some)) {
                    let pair = mesh.pair(client, host, port.number, subset.map(|one| &**one)).unwrap();
                    all.push((pod, host.clone(), port.number, subset.cloned(), short(mesh, &pair)));
                }
            }
        }
    }
    all
}

/// What a table keeps of an answer.
fn short(mesh: &Mesh, pair: &PairTls) -> Answer {
    let id = |choice: &Choice| mesh.rules.get(choice.primary).unwrap().object.id.clone();
    let policy = pair.server.demand.as_ref().and_then(|demand| demand.policy.as_ref());
    Answer {
        status: pair.status,
        rule: pair.choice.as_ref().map(|choice| (id(choice), choice.level)),
        sent: pair.effective,
        server: pair.server.mode.as_str().into(),
        policy: policy.map(|policy| policy.id.clone()),
        symptom: pair.symptom,
        undecided: pair.undecided.as_deref().map(Text::from),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_change_after_the_other_gives_what_a_computation_from_nothing_does(
        first in prop::collection::vec(step(), 20..80),
        deltas in prop::collection::vec(prop::collection::vec(step(), 1..4), 40),
        old in prop::option::weighted(0.2, prop::sample::select(vec!["1.4", "1.6", "1.20", "1.23"])),
    ) {
        let options = Options { istio_version: old.map(str::to_owned), ..Options::default() };
        let mut mesh = Arc::unwrap_or_clone(mesh_of(first, Wild::Fully, &options));
        let mut table = Table::new(&mesh);
        for delta in deltas {
            let (next, changed) = mesh.apply(delta.into_iter().map(|step| change(step, Wild::Fully)).collect());
            table.update(&mesh, &next, &changed);
            mesh = next;
            prop_assert_eq!(listed(&mesh, &table), asked(&mesh));
            let afresh = Mesh::new(&mesh.snapshot, &options);
            prop_assert_eq!(pairs(&mesh), pairs(&afresh));
            same_diagnosis(&diagnose(&mesh, &[]), &diagnose(&afresh, &[]));
        }
    }

    #[test]
    fn a_table_takes_up_rules_and_policies_one_after_the_other(
        first in prop::collection::vec(step(), 40..120),
        steps in prop::collection::vec(rule_or_policy(), 80),
    ) {
        let mut mesh = Arc::unwrap_or_clone(mesh_of(first, Wild::Hardly, &Options::default()));
        let mut table = Table::new(&mesh);
        for step in steps {
            let (next, changed) = mesh.apply(vec![change(step, Wild::Hardly)]);
            table.update(&mesh, &next, &changed);
            mesh = next;
            prop_assert_eq!(listed(&mesh, &table), asked(&mesh));
        }
    }
}

/// A rule of the root namespace names one namespace of three that nothing told apart, and then another.
#[test]
fn a_table_sets_those_apart_whom_a_rule_begins_to_name() {
    let of = |kind: &str, value: Value| Change::Upsert(Arc::new(decode(kind, &value, false)));
    let own = |namespace: &str, host: &str| {
        let metadata =
            json!({"namespace": namespace, "name": "own", "creationTimestamp": "2026-01-01T00:00:00Z"});
        of("DestinationRule", json!({"metadata": metadata, "spec": {"host": host}}))
    };
    let pod = |namespace: &str, address: &str| {
        let containers = json!([{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]);
        let metadata = json!({"namespace": namespace, "name": "p", "labels": {"app": "x"}});
        of(
            "Pod",
            json!({"metadata": metadata, "spec": {"containers": containers}, "status": {"podIP": address}}),
        )
    };
    let root = |exports: Value| {
        let metadata =
            json!({"namespace": "istio-system", "name": "r", "creationTimestamp": "2026-01-01T00:00:00Z"});
        let tls = json!({"tls": {"mode": "SIMPLE"}});
        let spec = json!({"host": "*.local", "exportTo": exports, "trafficPolicy": tls});
        of("DestinationRule", json!({"metadata": metadata, "spec": spec}))
    };
    let ports = json!([{"name": "http", "port": 80}]);
    let service = json!({"metadata": {"namespace": "a", "name": "s"}, "spec": {"selector": {"app": "x"}, "ports": ports}});
    let first = vec![
        of("Service", service),
        pod("a", "10.0.0.1"),
        pod("b", "10.0.0.2"),
        pod("c", "10.0.0.3"),
        pod("d", "10.0.0.4"),
        own("b", "elsewhere.example.com"),
        own("c", "elsewhere.example.com"),
        own("d", "elsewhere.example.com"),
        root(json!(["*"])),
    ];
    let mut mesh = Arc::unwrap_or_clone(Mesh::new(&Snapshot::default().apply(first).0, &Options::default()));
    let mut table = Table::new(&mesh);
    for exports in [json!(["c", "."]), json!(["b", "."]), json!(["*"]), json!(["b", "c"])] {
        let (next, changed) = mesh.apply(vec![root(exports)]);
        table.update(&mesh, &next, &changed);
        mesh = next;
        assert_eq!(listed(&mesh, &table), asked(&mesh));
    }
}
