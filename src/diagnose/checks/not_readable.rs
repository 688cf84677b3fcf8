//! MS0901: a kind that decides answers was not read, though others were.

use std::collections::BTreeSet;

use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Edges, Finding};
use crate::model::{Kind, ObjectId};
use crate::resolve::{Mesh, Missing, unread};

/// The findings: pods or services that are not there at all, and pods that endpoints name. `missing` is what the pairs
/// could not be told for.
pub fn check(mesh: &Mesh, missing: &BTreeSet<Missing>) -> Vec<Finding> {
    let any = |kinds: &[Kind]| kinds.iter().any(|kind| mesh.snapshot.of_kind(kind).next().is_some());
    let services = any(&[Kind::Service, Kind::ServiceEntry]);
    let policies =
        any(&[Kind::DestinationRule, Kind::PeerAuthentication, Kind::Sidecar, Kind::VirtualService]);
    let pods = any(&[Kind::Pod]);
    let unread = mesh.options.unread.iter();
    let mut findings: Vec<_> = unread
        .map(|(kind, why)| {
            let missing = unread::missing(kind, *why);
            finding(
                kind.clone(),
                &format!("{} is not readable ({}): needed is {}", missing.kind, missing.state, missing.need),
            )
        })
        .collect();
    let is_unread = |kind: Kind| mesh.options.unread.contains_key(&kind);
    let pods = pods || is_unread(Kind::Pod) || !mesh.workloads.all().is_empty();
    let services = services || is_unread(Kind::Service);
    if !pods && (services || policies) {
        findings.push(finding(
            Kind::Pod,
            "no Pod was read: without clients and servers no pair can be judged; \
             collect them with: kubectl get pods --all-namespaces -o yaml",
        ));
    }
    if !services && (pods || policies) {
        findings.push(finding(
            Kind::Service,
            "no Service was read: without hosts no pair can be judged; \
             collect them with: kubectl get services,endpointslices --all-namespaces -o yaml",
        ));
    }
    let named: Vec<_> = missing.iter().filter(|one| one.need.ends_with(" was not read")).collect();
    if let Some(first) = named.first().filter(|_| pods) {
        let more = named.len() - 1;
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let text = format!(
            "endpoints name pods that are not among those read ({}{more}), and what they accept cannot be told; \
             collect them with: kubectl get pods --all-namespaces -o yaml",
            first.need.trim_end_matches(" was not read")
        );
        findings.push(finding(Kind::Pod, &text));
    }
    findings
}

fn finding(kind: Kind, message: &str) -> Finding {
    Finding {
        code: Code::NotReadable,
        severity: Code::NotReadable.severity(),
        confidence: Confidence::Certain,
        root: (ObjectId::new(kind, "", ""), String::new()),
        message: message.to_owned(),
        because: Vec::new(),
        objects: Vec::new(),
        edges: Edges::default(),
        evidence: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::checks::examples::{check, finding, pod, rule, service, shop, slice};

    fn said(yaml: &str) -> usize {
        check(yaml).iter().filter(|line| line.starts_with("MS0901")).count()
    }

    #[test]
    fn a_kind_that_is_not_there_at_all_is_told_with_how_to_collect_it() {
        let pods = finding(&service("shop", "reviews", ""), "MS0901");
        assert!(pods.message.contains("kubectl get pods"), "{}", pods.message);
        let services = finding(&pod("shop", "reviews-1", 1, "app: reviews", true), "MS0901");
        assert!(services.message.contains("kubectl get services"), "{}", services.message);
        assert_eq!(said(&rule("shop", "r", 1, "{host: reviews}")), 2);
    }

    #[test]
    fn pods_that_endpoints_name_are_told() {
        assert!(finding(&(shop() + &slice("gone", true)), "MS0901").message.contains("pod shop/gone"));
        assert_eq!(said(&(shop() + &slice("reviews-1", true))), 0);
    }

    #[test]
    fn what_decides_nothing_may_be_absent() {
        // Neither Namespaces nor EndpointSlices nor policies were read.
        assert_eq!(said(&shop()), 0);
        assert_eq!(said("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"), 0);
    }
}
