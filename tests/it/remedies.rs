//! Remedies held to what they say, from the outside: the patch is applied to the objects as they were read, the new
//! object added, everything read and judged from nothing. The finding has to be gone, nothing may have become worse,
//! and the preview has to name exactly the pairs whose answer is another.

use std::collections::BTreeSet;
use std::path::Path;

use meshscope::answer::tls_check::Row;
use meshscope::diagnose::{Finding, Severity, diagnose};
use meshscope::remedy::{Remedy, remedies};
use meshscope::resolve::{Mesh, Options};
use serde_json::Value;

use crate::support::fixture;
use crate::support::meshes::{Place, key_files, key_of, keys_beside, mesh_of, rows};

/// The objects after a remedy was applied as its command would.
fn applied(objects: &[Value], remedy: &Remedy) -> Vec<Value> {
    let is = |object: &Value, kind: &str, namespace: &str, name: &str| {
        object["kind"] == kind
            && object["metadata"]["namespace"] == namespace
            && object["metadata"]["name"] == name
    };
    let mut changed = objects.to_vec();
    if let Some(patch) = &remedy.patch {
        let id = &remedy.object;
        let mut found = changed.iter_mut().filter(|one| is(one, id.kind.name(), &id.namespace, &id.name));
        json_patch::merge(found.next().unwrap(), patch);
        assert!(found.next().is_none(), "{} is there once", id.path());
    }
    if let Some(manifest) = &remedy.manifest {
        let mut made = manifest.clone();
        // The server sets the time; it is later than that of everything that is there.
        made["metadata"]["creationTimestamp"] = "2100-01-01T00:00:00Z".into();
        changed.push(made);
    }
    let command = remedy.command.as_deref().unwrap_or_default();
    if let Some((_, delete)) = command.split_once(" && kubectl delete destinationrule ") {
        let (name, namespace) = delete.split_once(" -n ").unwrap();
        changed.retain(|one| !is(one, "DestinationRule", namespace, name));
    }
    changed
}

/// The pairs of a preview, pod by pod.
fn listed(mesh: &Mesh, remedy: &Remedy) -> BTreeSet<Place> {
    let of_pod = |at: &usize| {
        let workload = mesh.workloads.get(*at).unwrap();
        format!("{}/{}", workload.namespace, workload.pod.as_ref().unwrap())
    };
    let changes = remedy.changes.iter();
    changes
        .flat_map(|change| {
            let subset = change.subset.as_ref().map(ToString::to_string);
            let place = |at| (of_pod(at), change.host.to_string(), change.port, subset.clone());
            change.pods.iter().map(place).collect::<Vec<_>>()
        })
        .collect()
}

fn hold(name: &str, objects: &[Value], wrong: &mut Vec<String>) -> usize {
    let mesh = mesh_of(objects, &Options::default());
    let found = diagnose(&mesh, &[]).findings;
    let before = rows(&mesh, None);
    // A pair that failed may fail for another reason; one that worked may not fail.
    let errors = |findings: &[Finding]| -> BTreeSet<_> {
        let errors = findings.iter().filter(|one| one.severity == Severity::Error);
        errors.flat_map(|one| one.edges.iter()).collect()
    };
    let mut tried = 0;
    for finding in &found {
        for remedy in remedies(&mesh, finding) {
            if remedy.patch.is_none() && remedy.manifest.is_none() {
                continue;
            }
            tried += 1;
            let what = format!("{name}: {}: {}", finding.id(), remedy.title);
            let after = mesh_of(&applied(objects, &remedy), &Options::default());
            let left = diagnose(&after, &[]).findings;
            if left.iter().any(|one| one.id() == finding.id()) {
                wrong.push(format!("{what}: the finding is still there"));
            }
            if let Some(new) = errors(&left).difference(&errors(&found)).next() {
                wrong.push(format!("{what}: {new:?} fails"));
            }
            let listed = listed(&mesh, &remedy);
            let (judged, after) = (judged(&mesh), rows(&after, None));
            for (place, row) in &before {
                let Some(other) = after.get(place).filter(|_| judged.contains(place)) else { continue };
                let said = |row: &Row| {
                    (row.status.clone(), row.client_tls.effective.clone(), row.server.mode.clone())
                };
                if said(row) != said(other) && !listed.contains(place) {
                    wrong.push(format!("{what}: {place:?} changes and is not listed"));
                }
            }
            if wrong.len() > 10 {
                return tried;
            }
        }
    }
    tried
}

/// The pairs that `check` judges: those that a client has in its scope.
fn judged(mesh: &Mesh) -> BTreeSet<Place> {
    let in_scope = |row: &&Row| row.client_tls.source != "not-in-scope" && row.subset.is_none();
    let rows = rows(mesh, None);
    rows.iter().filter(|(_, row)| in_scope(row)).map(|(place, _)| place.clone()).collect()
}

fn of_folder(folder: &Path, every: usize) -> (usize, Vec<String>) {
    let (mut tried, mut wrong) = (0, Vec::new());
    for file in key_files(folder).iter().step_by(every) {
        let key = key_of(file);
        tried += hold(key["name"].as_str().unwrap(), key["objects"].as_array().unwrap(), &mut wrong);
        if wrong.len() > 10 {
            break;
        }
    }
    (tried, wrong)
}

#[test]
fn remedies_do_what_they_say_and_nothing_else() {
    let (tried, wrong) = of_folder(&fixture("answer-key"), 1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 10, "only {tried} remedies");
}

#[test]
fn remedies_hold_on_the_meshes_of_the_key() {
    if let Some(beside) = keys_beside() {
        let (tried, wrong) = of_folder(&beside, 3);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(tried > 100, "only {tried} remedies");
    }
}
