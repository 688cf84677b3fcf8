//! What the names behind `logs` mean: pods and services of the objects, or those that only the lines name.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::super::{Refusal, source};
use crate::answer::Read;

/// More candidates are not listed.
const MOST: usize = 10;

/// What `logs` is limited to.
pub(super) enum LogTarget {
    /// Lines of pods (`namespace/name` each).
    Pods(Vec<String>),
    /// Lines towards a host, or of the pods behind it.
    Service(String, Vec<String>),
    /// Lines of a pod or towards a host that no object has.
    Seen(Seen),
}

/// A name that no object has.
pub(super) struct Seen {
    name: String,
    /// What is to be said where no line has it either.
    refusal: String,
    /// The pods and hosts with that name in lines.
    found: Mutex<BTreeSet<String>>,
}

/// What a name of a pod, workload or service means for logs. One that the objects do not have is looked for in the
/// lines; one that can be several of them is refused.
pub(super) fn target(read: &Read, name: &str) -> anyhow::Result<LogTarget> {
    let path = |at: &usize| {
        let workload = read.mesh.workloads.get(*at)?;
        Some(format!("{}/{}", workload.namespace, workload.pod.as_ref()?))
    };
    if let Ok(pods) = source::client(read, name) {
        return Ok(LogTarget::Pods(pods.iter().filter_map(path).collect()));
    }
    let host = match source::service(read, name) {
        Ok((host, _)) => host,
        Err(error) if source::is_unknown(read, name) => {
            let seen = Seen { name: name.to_owned(), refusal: error.to_string(), found: Mutex::default() };
            return Ok(LogTarget::Seen(seen));
        }
        Err(error) => return Err(error),
    };
    let service = read.mesh.registry.by_host(&host);
    let behind = service.into_iter().flat_map(crate::resolve::Service::all_endpoints);
    let pods = behind.filter_map(|endpoint| path(&endpoint.workload?)).collect();
    Ok(LogTarget::Service(host, pods))
}

impl LogTarget {
    /// Whether lines of that pod that go to that host are meant.
    pub(super) fn takes(&self, pod: Option<&str>, towards: Option<&str>) -> bool {
        let of = |pods: &[String]| pod.is_some_and(|pod| pods.iter().any(|known| known == pod));
        match self {
            Self::Pods(pods) => of(pods),
            Self::Service(host, pods) => towards == Some(host) || of(pods),
            Self::Seen(seen) => seen.takes(pod, towards),
        }
    }

    /// Refuses a name that no line has, and one that can be several.
    pub(super) fn refuse_unseen(&self) -> Result<(), Refusal> {
        let Self::Seen(seen) = self else { return Ok(()) };
        let found = seen.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() {
            return Err(Refusal::Usage(format!("{}, and no line names it", seen.refusal)));
        }
        if found.len() > 1 {
            let names: Vec<_> = found.iter().take(MOST).map(String::as_str).collect();
            return Err(Refusal::Usage(format!("{} can be several: {}", seen.name, names.join(", "))));
        }
        Ok(())
    }

    /// What is to be said where lines are waited for.
    pub(super) fn awaited(&self) -> Option<String> {
        let Self::Seen(seen) = self else { return None };
        Some(format!("{}: lines that name it are waited for", seen.refusal))
    }
}

impl Seen {
    fn takes(&self, pod: Option<&str>, towards: Option<&str>) -> bool {
        let pod = pod.filter(|pod| is_pod(&self.name, pod));
        let host = towards.filter(|host| is_host(&self.name, host));
        for name in [pod, host].into_iter().flatten() {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() <= MOST && !found.contains(name) {
                found.insert(name.to_owned());
            }
        }
        pod.is_some() || host.is_some()
    }
}

/// `POD`, `POD.NS` or `NS/POD`, `pod/…` before it or not, of `NS/POD`.
fn is_pod(name: &str, path: &str) -> bool {
    let name = name.strip_prefix("pod/").unwrap_or(name);
    path.split_once('/').is_some_and(|(namespace, pod)| {
        name == pod || name == path || name.rsplit_once('.') == Some((pod, namespace))
    })
}

/// `HOST`, `NAME`, `NAME.NS`, `NS/NAME`, `svc/NAME[.NS]`, each with an optional port, of a host.
fn is_host(name: &str, host: &str) -> bool {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    if name == host {
        return true;
    }
    let name = name.strip_prefix("svc/").or_else(|| name.strip_prefix("service/")).unwrap_or(name);
    let mut labels = host.split('.');
    let (Some(own), Some(namespace), Some("svc")) = (labels.next(), labels.next(), labels.next()) else {
        return false;
    };
    name == own
        || name.split_once('.') == Some((own, namespace))
        || name.split_once('/') == Some((namespace, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_known_in_lines() {
        for name in ["web-1", "web-1.shop", "shop/web-1", "pod/web-1"] {
            assert!(is_pod(name, "shop/web-1"), "{name}");
        }
        for name in ["web", "web-1.other", "other/web-1", "shop", ""] {
            assert!(!is_pod(name, "shop/web-1"), "{name}");
        }
        let host = "cart.shop.svc.cluster.local";
        for name in [host, "cart", "cart.shop", "shop/cart", "svc/cart", "svc/cart.shop", "cart.shop:80"] {
            assert!(is_host(name, host), "{name}");
        }
        for name in ["car", "cart.other", "other/cart", "cart.shop.svc", "shop", ""] {
            assert!(!is_host(name, host), "{name}");
        }
        assert!(is_host("api.example.com", "api.example.com") && !is_host("api", "api.example.com"));
    }
}
