//! The names that users give: which workload and which service they mean, and how near a name is to another.

use super::mesh::Mesh;
use super::registry::Service;

/// What a name came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<T> {
    /// Exactly this.
    One(T),
    /// Several fit.
    Several(Vec<String>),
    /// Nothing fits; these look alike.
    None(Vec<String>),
}

/// The pods that a name of a client means: one pod, or all of a workload's.
pub fn workload(mesh: &Mesh, name: &str) -> Named<Vec<usize>> {
    if let Some((kind, rest)) = kind_prefix(name) {
        return of_kind(mesh, kind, rest);
    }
    let all = mesh.workloads.all();
    let pods = |wanted: &dyn Fn(&str, &str) -> bool| {
        let fits = |workload: &super::Workload| {
            workload.pod.as_ref().is_some_and(|pod| wanted(&workload.namespace, pod))
                || wanted(&workload.namespace, &workload.name)
        };
        all.iter().enumerate().filter(|(_, workload)| fits(workload)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let tries: [Box<dyn Fn() -> Vec<usize>>; 3] = [
        Box::new(|| pods(&|_, pod| pod == name)),
        Box::new(|| match name.split_once('/') {
            Some((namespace, name)) => pods(&|ns, pod| ns == namespace && pod == name),
            None => Vec::new(),
        }),
        Box::new(|| match name.rsplit_once('.') {
            Some((name, namespace)) => pods(&|ns, pod| ns == namespace && pod == name),
            None => Vec::new(),
        }),
    ];
    for found in tries {
        let found = found();
        if !found.is_empty() {
            return one_workload(mesh, found);
        }
    }
    let part = name.split(['.', '/']).find(|part| !part.is_empty()).unwrap_or(name);
    let like = all.iter().filter(|workload| workload.name.contains(part)).map(super::Workload::path);
    Named::None(short(like))
}

/// `deploy/web`, `pod/web-0`: the kinds by which a workload may be named.
fn kind_prefix(name: &str) -> Option<(&'static str, &str)> {
    let (kind, rest) = name.split_once('/')?;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "deploy" | "deployment" | "deployments" => "Deployment",
        "sts" | "statefulset" | "statefulsets" => "StatefulSet",
        "ds" | "daemonset" | "daemonsets" => "DaemonSet",
        "rs" | "replicaset" | "replicasets" => "ReplicaSet",
        "job" | "jobs" => "Job",
        "cj" | "cronjob" | "cronjobs" => "CronJob",
        "po" | "pod" | "pods" => "Pod",
        _ => return None,
    };
    Some((kind, rest))
}

fn of_kind(mesh: &Mesh, kind: &str, rest: &str) -> Named<Vec<usize>> {
    let fits = |name: &str, namespace: Option<&str>| -> Vec<usize> {
        let all = mesh.workloads.all().iter().enumerate();
        all.filter(|(_, workload)| {
            let controller = workload.body().and_then(|pod| pod.controller.as_ref());
            let same = if kind == "Pod" {
                workload.pod.as_deref() == Some(name)
            } else {
                *workload.kind == *kind && *workload.name == *name
                    || controller.is_some_and(|one| *one.kind == *kind && *one.name == *name)
            };
            same && namespace.is_none_or(|namespace| *workload.namespace == *namespace)
        })
        .map(|(at, _)| at)
        .collect()
    };
    let mut found = fits(rest, None);
    if found.is_empty()
        && let Some((name, namespace)) = rest.rsplit_once('.')
    {
        found = fits(name, Some(namespace));
    }
    if found.is_empty() { Named::None(Vec::new()) } else { one_workload(mesh, found) }
}

/// Several pods are one answer if they are one workload's.
fn one_workload(mesh: &Mesh, found: Vec<usize>) -> Named<Vec<usize>> {
    let mut paths: Vec<_> =
        found.iter().filter_map(|at| mesh.workloads.get(*at)).map(super::Workload::path).collect();
    paths.sort();
    paths.dedup();
    if paths.len() > 1 { Named::Several(paths) } else { Named::One(found) }
}

/// The service that a name means, and the port behind it, where it names one.
pub fn service<'a>(mesh: &'a Mesh, name: &str) -> (Named<&'a Service>, Option<String>) {
    let name = name.strip_prefix("svc/").or_else(|| name.strip_prefix("service/")).unwrap_or(name);
    let whole = find_service(mesh, name);
    if let (Named::None(_), Some((host, port))) = (&whole, name.rsplit_once(':')) {
        return (find_service(mesh, host), Some(port.to_owned()));
    }
    (whole, None)
}

fn find_service<'a>(mesh: &'a Mesh, name: &str) -> Named<&'a Service> {
    if let Some(service) = mesh.registry.by_host(name) {
        return Named::One(service);
    }
    let all = || mesh.registry.services();
    let named: Vec<_> = all().filter(|one| one.is_kubernetes && *one.object.id.name == *name).collect();
    match named.as_slice() {
        [one] => return Named::One(one),
        [] => {}
        several => return Named::Several(several.iter().map(|service| service.host.to_string()).collect()),
    }
    if let Some((namespace, name)) = name.split_once('/')
        && let Some(service) = mesh.registry.by_name(namespace, name)
    {
        return Named::One(service);
    }
    if let Some((name, namespace)) = name.rsplit_once('.')
        && let Some(service) = mesh.registry.by_name(namespace, name)
    {
        return Named::One(service);
    }
    // What Kubernetes' own resolver takes, short of the domain: `NAME.NAMESPACE.svc`.
    if let Some(service) = mesh.registry.by_host(&format!("{name}.cluster.local")) {
        return Named::One(service);
    }
    let part = name.split(['.', '/']).next().unwrap_or(name);
    let like = all().filter(|service| service.host.contains(part)).map(|service| service.host.to_string());
    Named::None(short(like))
}

/// The port of a service with this number or name.
pub fn port(service: &Service, wanted: &str) -> Option<u16> {
    let number = wanted.parse::<u16>();
    let port = service.ports().iter().find(|port| match number {
        Ok(number) => port.number == number,
        Err(_) => *port.name == *wanted,
    })?;
    Some(port.number)
}

fn short(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    names.truncate(5);
    names
}

/// How many letters have to be put in, left out or changed to make one word of the other.
pub fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (number, letter) in a.chars().enumerate() {
        let mut next = vec![number + 1];
        for ((other, above), left_above) in b.chars().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            let changed = left_above + usize::from(letter != other);
            next.push(changed.min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// The namespace in a host such as `reviews.bookinfo.svc.cluster.local`.
pub fn namespace_of(host: &str) -> Option<&str> {
    host.strip_suffix(".svc.cluster.local")?.rsplit_once('.').map(|(_, namespace)| namespace)
}

/// The namespace in the name of a service, whatever the domain of its cluster is: `cart.shop.svc.my.domain`, and
/// `cart.shop.global` of another cluster, as Istio had it before 1.8. The name of a host outside has none.
pub fn namespace_in(host: &str) -> Option<&str> {
    let mut labels = host.split('.').skip(1);
    let namespace = labels.next()?;
    matches!(labels.next(), Some("svc" | "global")).then_some(namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_apart_and_the_namespace_of_a_host() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "abc"), distance("same", "same")), (3, 0));
        assert_eq!(namespace_of("a.b.svc.cluster.local"), Some("b"));
        assert_eq!(namespace_of("api.example.com"), None);
        assert_eq!((namespace_in("a.b.svc.my.domain"), namespace_in("a.b.global")), (Some("b"), Some("b")));
        assert_eq!(
            (namespace_in("api.example.com"), namespace_in("a.svc"), namespace_in("")),
            (None, None, None)
        );
    }
}
