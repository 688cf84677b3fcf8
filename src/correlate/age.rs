//! Whether lines are older than the objects that decide about their pair, by the time of the last change, where the objects
//! tell it (`creationTimestamp`, `managedFields`).

use std::sync::Arc;

use super::locate::{Located, Locator};
use crate::model::{Kind, Object, ObjectId, time};
use crate::resolve::PairTls;
use crate::resolve::client_tls::Downgrade;

/// How lines stand to the objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Age {
    /// That object was changed at that second, after the lines.
    LinesBefore(ObjectId, i64),
    /// The newest of the objects was changed at that second, before the lines.
    LinesAfter(ObjectId, i64),
    /// The lines, or one of the objects, have no time.
    Unknown,
}

/// When an object was last changed, in seconds since the epoch. Of a pod, and of what makes pods, that is when it was made:
/// its status changes all the time, and what decides of it does not.
pub(super) fn changed(object: &Object) -> Option<i64> {
    if is_made_once(&object.id) {
        return object.meta.created;
    }
    object.meta.changed.max(object.meta.created)
}

fn is_made_once(id: &ObjectId) -> bool {
    matches!(
        id.kind,
        Kind::Pod
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::CronJob
    )
}

/// What is said of the time of an object.
pub(super) fn said(id: &ObjectId, seconds: i64) -> String {
    let what = if is_made_once(id) { "created" } else { "last changed" };
    format!("was {what} at {}", time::format(seconds))
}

/// Whether an object was changed after that microsecond, as far as both are known.
pub(super) fn is_newer(object: &Object, micros: Option<i64>) -> bool {
    let changed = changed(object).zip(micros);
    changed.is_some_and(|(changed, micros)| changed.saturating_mul(1_000_000) > micros)
}

/// The settings that decide about a pair: the rules that were merged, the policies of the endpoints and the one that
/// automatic mutual TLS looks at (MT-4.3), and the mesh's configuration where it switches that off (MT-4.5).
pub(super) fn settings(locator: &Locator<'_>, client: Option<usize>, pair: &PairTls) -> Vec<Arc<Object>> {
    let rules = pair.choice.iter().flat_map(|choice| choice.contributors.iter());
    let rules = rules.filter_map(|one| Some(Arc::clone(&locator.mesh().rules.get(one.rule)?.object)));
    let policies = pair.endpoints.iter().filter_map(|endpoint| endpoint.demand.as_ref()?.policy.clone());
    let automatic = match &pair.cluster.downgrade {
        Some(Downgrade::AutoMtlsOff) => {
            locator.workload(client).and_then(|client| locator.configured_by(&client.revision))
        }
        Some(Downgrade::PolicyDisables(demand)) => demand.policy.clone(),
        Some(
            Downgrade::AllOrNothing
            | Downgrade::EndpointMark(_)
            | Downgrade::CredentialOnSidecar
            | Downgrade::MutualWithoutCertificates
            | Downgrade::External,
        )
        | None => None,
    };
    let mut found: Vec<_> = rules.chain(policies).chain(automatic).collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.dedup_by(|one, other| one.id == other.id);
    found
}

/// The objects that decide about a pair: its settings, and the pod that is there longest of those that traffic can reach,
/// since what stands there decides as well, and of any before it nothing was read.
pub(super) fn deciding(locator: &Locator<'_>, client: Option<usize>, pair: &PairTls) -> Vec<Arc<Object>> {
    let mut found = settings(locator, client, pair);
    let pods = pair.reachable().filter_map(|endpoint| locator.workload(endpoint.workload));
    // `None` is less than any time: where one pod's is not known, it may be the first, and they tell nothing.
    let first = pods.min_by_key(|pod| changed(&pod.object)).filter(|pod| changed(&pod.object).is_some());
    found.extend(first.map(|pod| Arc::clone(&pod.object)));
    found
}

/// The answer for the pair of lines whose client and service are known.
pub(super) fn pair_of(locator: &Locator<'_>, place: &Located) -> Option<PairTls> {
    let client = locator.workload(place.client)?;
    locator.mesh().pair(client, place.host.as_deref()?, place.port?, place.subset.as_deref())
}

/// How lines, of which the last was at that microsecond, stand to objects.
pub(super) fn of(objects: &[Arc<Object>], last: Option<i64>) -> Age {
    let Some(last) = last.map(|micros| micros.div_euclid(1_000_000)) else { return Age::Unknown };
    let times = objects.iter().filter_map(|object| Some((changed(object)?, object)));
    match times.max_by_key(|(time, _)| *time) {
        Some((time, object)) if time > last => Age::LinesBefore(object.id.clone(), time),
        Some((time, object)) if objects.iter().all(|object| changed(object).is_some()) => {
            Age::LinesAfter(object.id.clone(), time)
        }
        Some(_) | None => Age::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{HOST, UC, client, mesh, read};
    use crate::correlate::{cause, contradiction};
    use crate::diagnose::{Confidence, diagnose};
    use crate::resolve::{Mesh, Options};

    /// An object that was made at that hour; the lines are of nine o'clock.
    fn made(mesh: &str, object: &str, hour: u32) -> String {
        let wanted = format!("name: {object}, namespace: shop");
        let time = format!("{wanted}, creationTimestamp: '2026-03-02T{hour:02}:00:00Z'");
        mesh.replace(&wanted, &time)
    }

    fn causes(mesh: &str, lines: &str) -> String {
        let bundle = read(mesh, lines, "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = cause::causes(&Locator::new(&mesh), &bundle.logs);
        let words = causes.iter().map(|one| format!("{} {}", one.label.word(), one.confidence.word()));
        words.collect::<Vec<_>>().join(", ")
    }

    /// The conflict as it is left, and what MS0302 says of the times.
    fn against(mesh: &str) -> (Confidence, String) {
        let bundle = read(mesh, &client(1, "200 - via_upstream", "-"), "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let mut found = diagnose(&mesh, &[]).findings;
        contradiction::apply(&Locator::new(&mesh), &bundle.logs, &mut found);
        let said = found.iter().find_map(|one| one.message.split_once("09:00:01.000Z: ")).unwrap().1;
        (found.iter().find(|one| one.code.is_conflict()).unwrap().confidence, said.to_owned())
    }

    #[test]
    fn the_mesh_configuration_and_pods_decide_as_rules_and_policies_do() {
        let by_mesh = |hour: u32| {
            let configured = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system, \
                              creationTimestamp: '2026-03-02T";
            let rest = format!("{hour:02}:00:00Z'}}\ndata:\n  mesh: |\n    enableAutoMtls: false\n");
            made(&made(&mesh("", "STRICT", &[true]), "default", 7), "cart-0", 7) + configured + &rest
        };
        let before = "ConfigMap istio-system/istio, the newest of the objects that decide, was last changed at \
                      2026-03-02T10:00:00Z, after them, so that the lines tell of what was before";
        assert_eq!(against(&by_mesh(10)), (Confidence::Certain, before.to_owned()));
        let (confidence, said) = against(&by_mesh(8));
        assert!(said.starts_with("ConfigMap istio-system/istio") && said.contains("before them"), "{said}");
        assert_eq!(confidence, Confidence::Likely);
        let uc = client(1, UC, "-") + &client(2, UC, "-");
        assert_eq!(causes(&by_mesh(10), &uc), "plaintext-to-strict possible");
        assert_eq!(causes(&by_mesh(8), &uc), "plaintext-to-strict certain");

        let bare = |hour: u32| made(&made(&mesh("ISTIO_MUTUAL", "", &[false]), "r", 7), "cart-0", hour);
        let (confidence, said) = against(&bare(10));
        assert!(
            said.contains("Pod shop/cart-0") && said.contains("was created at 2026-03-02T10:00:00Z, after")
        );
        assert_eq!(confidence, Confidence::Certain);
        assert_eq!(against(&bare(8)).0, Confidence::Likely);
        let closed = "503 URX,UF upstream_reset_before_response_started{remote_connection_failure}";
        let closed = client(1, closed, "-");
        assert_eq!(causes(&bare(10), &closed), "mtls-to-plaintext possible");
        assert_eq!(causes(&bare(8), &closed), "mtls-to-plaintext certain");
    }

    /// Replicas come and go: one that is there longer decides as well.
    #[test]
    fn lines_are_older_than_a_service_only_where_they_are_older_than_all_its_pods() {
        let uc = client(1, UC, "-").replace("10.8.2.0:9080", "10.8.2.1:9080");
        let two = mesh("DISABLE", "STRICT", &[true, true]);
        assert_eq!(causes(&two, &uc), "plaintext-to-strict certain");
        assert_eq!(causes(&made(&two, "cart-0", 10), &uc), "plaintext-to-strict certain");
        // Whatever had that address then, it is not the pod that has it now, nor is it one that nobody knows.
        assert_eq!(causes(&made(&two, "cart-1", 10), &uc), "plaintext-to-strict likely");
        let both = made(&made(&two, "cart-1", 10), "cart-0", 10);
        assert_eq!(causes(&both, &uc), "plaintext-to-strict possible");
        let gone = uc.replace("10.8.2.1:9080", "10.8.2.77:9080");
        assert_eq!(causes(&two, &gone), "plaintext-to-strict likely");
        // The status of a pod changes all the time.
        let status = "name: cart-1, namespace: shop, managedFields: [{manager: kubelet, operation: Update, time: \
                      '2026-03-02T10:00:00Z', fieldsV1: {}}]";
        let seen = made(&two, "cart-1", 8).replace("name: cart-1, namespace: shop", status);
        assert_eq!(causes(&seen, &uc), "plaintext-to-strict certain");
        // Past every service it is the pod itself.
        let direct = uc.replace(&format!("outbound|80||{HOST}"), "PassthroughCluster");
        assert_eq!(causes(&made(&two, "cart-1", 8), &direct), "plaintext-to-strict certain");
        assert_eq!(causes(&made(&two, "cart-1", 10), &direct), "plaintext-to-strict possible");
    }
}
