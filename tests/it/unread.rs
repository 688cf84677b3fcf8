//! What a kind that could not be read makes of the answers: exactly those are unknown that an object of it could
//! change. Each kind is taken away from the meshes of `fixtures/answer-key` in turn. What is still answered has to be
//! what it was, and for what is unknown an object is made that does change the answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use meshscope::answer::tls_check::Row;
use meshscope::model::service::TargetPort;
use meshscope::model::{Kind, Labels};
use meshscope::resolve::unread::{Unread, Why};
use meshscope::resolve::{Mesh, Options};
use serde_json::{Value, json};

use crate::support::fixture;
use crate::support::meshes::{Place, key_files, key_of, keys_beside, mesh_of, rows};

/// What is compared of a row.
type Said = (String, String, String, Value, Vec<String>);

fn mesh_without(objects: &[Value], unread: Unread) -> Arc<Mesh> {
    mesh_of(objects, &Options { unread, ..Options::default() })
}

fn said(row: &Row) -> Said {
    let endpoints = row.endpoints.iter();
    let endpoints = endpoints.map(|one| format!("{} {} {}", one.address, one.sent, one.server_mode));
    let rule = serde_json::to_value(&row.destination_rule).unwrap();
    let tls = &row.client_tls;
    (
        row.status.clone(),
        format!("{} {} {}", tls.mode, tls.effective, tls.source),
        row.server.mode.clone(),
        rule,
        endpoints.collect(),
    )
}

/// An object of a kind that changes the answer of a row, if any can.
fn witnesses(kind: &Kind, row: &Row, mesh: &Mesh) -> Vec<Value> {
    let client = row.client.as_ref().unwrap();
    let client = client.namespace.as_deref().unwrap();
    let object = |group: &str, namespace: &str, spec: Value| {
        json!({"apiVersion": format!("{group}.istio.io/v1"), "kind": kind.name(),
               "metadata": {"name": "witness", "namespace": namespace, "creationTimestamp": "2000-01-01T00:00:00Z"},
               "spec": spec})
    };
    // A host may be defined several times, and another definition may be the client's.
    let services: Vec<_> = mesh.registry.definitions(&row.host).collect();
    let owners = services.iter().map(|service| &*service.namespace);
    match kind.name() {
        "Sidecar" => {
            let patterns = owners.map(|owner| format!("{owner}/*")).chain(["~/*".to_owned()]);
            let limits = patterns.map(|one| json!({"egress": [{"hosts": [one]}]}));
            // What is not in scope anyway can still be refused, or let pass.
            let others = ["ALLOW_ANY", "REGISTRY_ONLY"].iter();
            let others = others.map(|mode| json!({"outboundTrafficPolicy": {"mode": mode}}));
            limits.chain(others).map(|spec| object("networking", client, spec)).collect()
        }
        "DestinationRule" => ["DISABLE", "SIMPLE"]
            .iter()
            .flat_map(|mode| {
                let spec = json!({"host": row.host, "trafficPolicy": {"tls": {"mode": mode}}});
                // Clients of the root namespace take notice of its private rules first.
                let private =
                    json!({"host": row.host, "exportTo": ["."], "trafficPolicy": {"tls": {"mode": mode}}});
                [object("networking", client, spec), object("networking", client, private)]
            })
            .collect(),
        "PeerAuthentication" => {
            let endpoints = || services.iter().flat_map(|service| service.all_endpoints());
            let mut namespaces: Vec<&str> = endpoints().map(|endpoint| &*endpoint.namespace).collect();
            namespaces
                .extend(endpoints().filter_map(|one| Some(&*mesh.workloads.get(one.workload?)?.namespace)));
            namespaces.extend(owners);
            namespaces.sort_unstable();
            namespaces.dedup();
            let modes = ["STRICT", "DISABLE"].iter();
            modes
                .flat_map(|mode| {
                    namespaces
                        .iter()
                        .map(|one| object("security", one, json!({"mtls": {"mode": mode}})))
                        .collect::<Vec<_>>()
                })
                .collect()
        }
        "WorkloadEntry" => {
            let witness = |service: &&meshscope::resolve::Service| {
                let selector = service.object.body.service().and_then(|one| one.selector.clone());
                let entry = || service.object.body.service_entry().and_then(|one| one.selector.clone());
                let selector = selector.or_else(entry);
                let labels: BTreeMap<_, _> = selector.iter().flat_map(Labels::iter).collect();
                let names = service.ports().iter().map(|port| match &port.target {
                    TargetPort::Name(name) => (name.to_string(), 9999),
                    TargetPort::Number(_) => (port.name.to_string(), 9999),
                });
                let ports: BTreeMap<_, _> = names.filter(|(name, _)| !name.is_empty()).collect();
                let spec = json!({"address": "192.0.2.7", "labels": labels, "ports": ports});
                object("networking", &service.namespace, spec)
            };
            services.iter().map(witness).collect()
        }
        "ServiceEntry" => {
            let spec = json!({"hosts": [row.host], "resolution": "STATIC", "location": "MESH_INTERNAL",
                "ports": [{"number": row.port, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": "192.0.2.8"}]});
            let namespaces = ["api", "data", "pay", "web", "shop", client].into_iter().chain(owners);
            namespaces.map(|namespace| object("networking", namespace, spec.clone())).collect()
        }
        _ => Vec::new(),
    }
}

const DECIDING: [Kind; 6] = [
    Kind::Sidecar,
    Kind::DestinationRule,
    Kind::PeerAuthentication,
    Kind::VirtualService,
    Kind::WorkloadEntry,
    Kind::ServiceEntry,
];

#[test]
fn what_is_not_unknown_is_what_it_was_and_what_is_unknown_could_be_another() {
    let (counts, wrong) = taken_away(&fixture("answer-key"), 1, Some(11));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (kind, [known, unknown, tried]) in counts {
        assert!(known > 0, "{kind}: everything is unknown");
        assert!(unknown > 0 && (tried > 0 || kind == "VirtualService"), "{kind}: nothing is unknown");
    }
}

/// More meshes, where the answer key lies beside the project; without witnesses, which cost a mesh each.
#[test]
fn no_answer_of_the_key_stands_without_a_kind_that_it_needs() {
    if let Some(beside) = keys_beside() {
        let (_, wrong) = taken_away(&beside, 4, None);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Known and unknown answers and tried witnesses by kind, and what is wrong, of every so-manieth mesh; a witness is
/// made for one in so many unknown answers.
fn taken_away(
    folder: &Path,
    every: usize,
    witness: Option<usize>,
) -> (BTreeMap<String, [usize; 3]>, Vec<String>) {
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (at, file) in key_files(folder).iter().step_by(every).enumerate() {
        let key = key_of(file);
        let objects = key["objects"].as_array().unwrap();
        let whole = rows(&mesh_without(objects, Unread::new()), None);
        for kind in &DECIDING {
            let left: Vec<_> =
                objects.iter().filter(|object| object["kind"] != kind.name()).cloned().collect();
            let unread = mesh_without(&left, Unread::from([(kind.clone(), Why::Forbidden)]));
            let name = format!("{} without {}", key["name"].as_str().unwrap(), kind.name());
            let count = counts.entry(kind.name().to_owned()).or_default();
            for (turn, (place, row)) in rows(&unread, None).iter().enumerate() {
                if row.status != "UNKNOWN" {
                    count[0] += 1;
                    // A host that only an object of this kind defines is not asked about.
                    if whole.get(place).is_some_and(|full| said(full) != said(row)) {
                        let (is, was) = (said(row), said(&whole[place]));
                        wrong.push(format!("{name}: {place:?} is {is:?}, and was {was:?}"));
                    }
                    continue;
                }
                count[1] += 1;
                let names = row.missing.iter().any(|one| one.kind == kind.name() && one.state == "forbidden");
                assert!(names, "{name}: {row:?}");
                let is_tried = witness.is_some_and(|one_in| (turn + at) % one_in == 0);
                if is_tried && *kind != Kind::VirtualService && place.3.is_none() {
                    count[2] += 1;
                    if !can_change(&left, kind, place, row, &unread) {
                        wrong
                            .push(format!("{name}: {place:?} is unknown, and no {} changes it", kind.name()));
                    }
                }
            }
        }
    }
    (counts, wrong)
}

/// Whether an object of a kind makes an answer another.
fn can_change(objects: &[Value], kind: &Kind, place: &Place, row: &Row, mesh: &Mesh) -> bool {
    let answer =
        |objects: &[Value]| rows(&mesh_without(objects, Unread::new()), Some(&place.1)).get(place).map(said);
    let known = answer(objects);
    witnesses(kind, row, mesh).into_iter().any(|object| {
        let with: Vec<_> = objects.iter().cloned().chain([object]).collect();
        answer(&with) != known
    })
}
