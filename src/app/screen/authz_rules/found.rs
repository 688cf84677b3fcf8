//! Which workloads the rules are of that are asked for, and which log lines are theirs.

use std::collections::{BTreeSet, HashSet};

use crate::answer::authz::list::RuleRow;
use crate::answer::authz::workloads::{AuthzWorkload, AuthzWorkloads};
use crate::answer::common::WorkloadRef;
use crate::app::screen::Context;
use crate::resolve::name::{self, Named};
use crate::resolve::{Mesh, Service, Workload};

/// Pods that a query names at most.
const NAMED: usize = 32;

/// The workloads that are shown.
#[derive(Debug, Default)]
pub(super) enum Found {
    /// All that have rules.
    #[default]
    All,
    /// These, by their places, and what else decides about requests to them.
    These(HashSet<usize>, Option<String>),
    /// None, and why.
    Nothing(String),
}

/// How many policies there are.
pub(super) fn count_policies(policies: usize) -> String {
    let noun = if policies == 1 { "AuthorizationPolicy" } else { "AuthorizationPolicies" };
    format!("{policies} {noun}")
}

impl Found {
    /// The workload of that name, or else those behind the service of that name.
    pub(super) fn of(name: Option<&str>, context: &Context<'_>, all: &AuthzWorkloads) -> Self {
        let (Some(name), Some(read)) = (name, context.read) else { return Self::All };
        let mesh = &read.mesh;
        let is_host = name.starts_with("svc/") || mesh.registry.by_host(name).is_some();
        let workload = if is_host { Named::None(Vec::new()) } else { name::workload(mesh, name) };
        match workload {
            Named::One(pods) => Self::of_pods(&pods, mesh, all, None),
            Named::Several(names) => {
                Self::Nothing(format!("{name} can be several workloads: {}", names.join(", ")))
            }
            Named::None(like) => match name::service(mesh, name).0 {
                Named::One(service) => Self::of_service(service, mesh, all),
                Named::Several(names) => {
                    Self::Nothing(format!("{name} can be several services: {}", names.join(", ")))
                }
                Named::None(_) if like.is_empty() => {
                    Self::Nothing(format!("no workload and no service is called {name}"))
                }
                Named::None(_) => {
                    Self::Nothing(format!("no workload is called {name}; there are {}", like.join(", ")))
                }
            },
        }
    }

    fn of_service(service: &Service, mesh: &Mesh, all: &AuthzWorkloads) -> Self {
        let pods: BTreeSet<usize> =
            service.all_endpoints().filter_map(|endpoint| endpoint.workload).collect();
        let waypoint = mesh.ambient.waypoint_of(service);
        let note = waypoint.map(|one| format!("before them the waypoint {}.{}", one.name, one.namespace));
        if pods.is_empty() {
            let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
            return Self::Nothing(format!("no pod that was read is behind {}{note}", service.host));
        }
        Self::of_pods(&pods.into_iter().collect::<Vec<_>>(), mesh, all, note)
    }

    /// The workloads of these pods: where one of them has others beside it with other rules, without those.
    fn of_pods(pods: &[usize], mesh: &Mesh, all: &AuthzWorkloads, note: Option<String>) -> Self {
        let pods: Vec<&Workload> = pods.iter().filter_map(|at| mesh.workloads.get(*at)).collect();
        let workloads: Vec<_> = pods.iter().map(|pod| WorkloadRef::workload(pod)).collect();
        let workloads: HashSet<(String, Option<&str>)> =
            workloads.iter().map(|one| (one.path(), one.kind.as_deref())).collect();
        let is_of =
            |one: &AuthzWorkload| workloads.contains(&(one.workload.path(), one.workload.kind.as_deref()));
        let names: HashSet<(&str, &str)> =
            pods.iter().filter_map(|pod| Some((&*pod.namespace, pod.pod.as_deref()?))).collect();
        let has_one = |one: &AuthzWorkload| {
            let namespace = one.workload.namespace.as_deref().unwrap_or_default();
            // A template has no pods yet.
            one.names.is_empty() || one.names.iter().any(|name| names.contains(&(namespace, &**name)))
        };
        let these = all.workloads.iter().enumerate().filter(|(_, one)| is_of(one) && has_one(one));
        Self::These(these.map(|(at, _)| at).collect(), note)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The query for the lines of a rule: those that name it, of a rule that refuses; for any other those of the workload,
/// since a proxy does not say who let a request in.
pub(super) fn query(workload: &AuthzWorkload, rule: Option<&RuleRow>) -> String {
    let namespace = workload.workload.namespace.as_deref().unwrap_or_default();
    if let Some(rule) = rule.filter(|rule| rule.action == "DENY" && !rule.dry_run)
        && let Some(number) = rule.rule
    {
        let (of, name) = (rule.policy.namespace.as_deref().unwrap_or_default(), &rule.policy.name);
        if workload.list.engine == "ztunnel" {
            let error = format!("explicitly denied by: {of}/{name}");
            return format!("error~{}", quoted(&regex_of(&error)));
        }
        let details =
            quoted(&format!("rbac_access_denied_matched_policy[ns[{of}]-policy[{name}]-rule[{number}]]"));
        return format!("details={details} or termination={details}");
    }
    if workload.names.is_empty() || workload.pods > NAMED {
        let name = workload.workload.name.as_deref().unwrap_or_default();
        return format!("pod~{}", quoted(&format!("^{}/{}-", regex_of(namespace), regex_of(name))));
    }
    let pods = workload.names.iter().map(|name| format!("pod={}", quoted(&format!("{namespace}/{name}"))));
    pods.collect::<Vec<_>>().join(" or ")
}

/// A text as a regular expression that matches it alone.
fn regex_of(text: &str) -> String {
    let escaped = text.chars().flat_map(|one| {
        let lead = (!one.is_alphanumeric() && !" -_/:".contains(one)).then_some('\\');
        lead.into_iter().chain(std::iter::once(one))
    });
    escaped.collect()
}
