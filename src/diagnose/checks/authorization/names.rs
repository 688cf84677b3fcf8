//! MS0407: identities that nobody can have: a trust domain that is not the mesh's (I6), a namespace or a service account
//! that does not exist. What another cluster of the mesh may have is not judged.

use std::collections::{BTreeMap, BTreeSet};

use super::cover::account;
use super::{Policies, Policy};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Confidence, Finding};
use crate::model::authorization_policy::Written;
use crate::model::networks::MeshNetworks;
use crate::model::pod::ProxyKind;
use crate::model::{Kind, Text};
use crate::resolve::authorize::pattern::{Glob, Pattern, Star};
use crate::resolve::{Config, Mesh, Missing};

/// What can be told of namespaces and accounts.
struct Known<'a> {
    /// The namespaces; `None` where not all were read.
    namespaces: Option<BTreeSet<&'a str>>,
    /// Whether the list is a cluster's, and not an excerpt.
    is_whole: bool,
    /// Accounts by namespace: those of pods, of templates and of objects.
    accounts: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Namespaces whose account objects were read.
    with_objects: BTreeSet<&'a str>,
    /// The mesh's trust domain and its aliases; `None` where no mesh configuration was read.
    trust_domains: Option<Vec<&'a str>>,
}

/// What is the matter with a value.
enum Wrong {
    TrustDomain(String),
    Namespace(String),
    Account(String, String),
    /// It cannot be told whether there is such an account.
    OpenAccount(String, String),
}

/// The findings, one a list. What cannot be told goes to `missing`.
pub(super) fn check(policies: &Policies<'_>, missing: &mut BTreeSet<Missing>) -> Vec<Finding> {
    let known = Known::new(policies.mesh);
    let mut findings = Vec::new();
    for policy in &policies.all {
        for (at, rule) in policy.body.rules.iter().enumerate() {
            for (place, field, values) in lists(at, &rule.written) {
                findings.extend(known.of_list(policy, &place, field, values, missing));
            }
        }
    }
    findings
}

/// The lists of a rule that name identities: place, positive field, values.
fn lists(at: usize, written: &Written) -> Vec<(String, &'static str, &[Text])> {
    let mut found = Vec::new();
    for (from, source) in written.from.iter().enumerate() {
        for one in source {
            let field = match &*one.field {
                "principals" | "notPrincipals" => "principals",
                "namespaces" | "notNamespaces" => "namespaces",
                "serviceAccounts" | "notServiceAccounts" => "serviceAccounts",
                "trustDomains" | "notTrustDomains" => "trustDomains",
                _ => continue,
            };
            found.push((format!("spec.rules[{at}].from[{from}].source.{}", one.field), field, &*one.values));
        }
    }
    for (number, one) in written.when.iter().enumerate() {
        let field = match one.key.as_str() {
            "source.principal" => "principals",
            "source.namespace" => "namespaces",
            "source.serviceAccount" => "serviceAccounts",
            "source.trustDomain" => "trustDomains",
            _ => continue,
        };
        for (list, values) in [("values", &one.values), ("notValues", &one.not_values)] {
            found.push((format!("spec.rules[{at}].when[{number}].{list}"), field, values));
        }
    }
    found
}

/// Whether the mesh may have other clusters, whose namespaces and accounts are not among those read.
fn has_other_clusters(mesh: &Mesh) -> bool {
    let secrets = mesh.snapshot.of_kind(&Kind::Secret);
    mesh.config.networks != MeshNetworks::default()
        || secrets.into_iter().any(|secret| secret.meta.labels.get("istio/multiCluster") == Some("true"))
}

/// Whether istiod lets identities of other trust domains in.
fn skips_validation(mesh: &Mesh) -> bool {
    mesh.snapshot.objects().any(|object| {
        let of_workload = object.body.workload().and_then(|one| one.istiod.as_ref());
        let istiod = object.body.pod().and_then(|pod| pod.istiod.as_deref()).or(of_workload);
        istiod.is_some_and(|istiod| {
            let name = "PILOT_SKIP_VALIDATE_TRUST_DOMAIN";
            let set = istiod.environment.iter().any(|(key, value)| key == name && value != "false");
            set || istiod.elsewhere.iter().any(|key| key == name)
        })
    })
}

impl<'a> Known<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        let is_read = |kind: &Kind| !mesh.options.unread.contains_key(kind);
        let elsewhere = has_other_clusters(mesh);
        let listed: BTreeSet<&str> =
            mesh.snapshot.of_kind(&Kind::Namespace).map(|object| &*object.id.name).collect();
        let pods = || mesh.workloads.all().iter();
        // A list without the namespace of a pod that was read, or without any of the system, is an excerpt.
        let of_system = mesh.of_all().any(|mesh| listed.contains(mesh.config.root_namespace.as_str()));
        let all = !elsewhere
            && (of_system || listed.contains("kube-system"))
            && is_read(&Kind::Namespace)
            && pods().all(|pod| listed.contains(&*pod.namespace));
        let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for object in mesh.snapshot.objects() {
            let of_template =
                object.body.workload().and_then(|one| one.template.as_ref()).map(|one| &one.pod);
            if let Some(pod) = object.body.pod().or(of_template) {
                let name = if pod.service_account.is_empty() { "default" } else { &*pod.service_account };
                accounts.entry(&object.id.namespace).or_default().insert(name);
            }
        }
        let mut with_objects = BTreeSet::new();
        let kind = Kind::Unrelated("ServiceAccount".into());
        for object in mesh.snapshot.of_kind(&kind) {
            with_objects.insert(&*object.id.namespace);
            accounts.entry(&object.id.namespace).or_default().insert(&object.id.name);
        }
        let domains = |config: &'a Config| {
            let aliases = config.trust_domain_aliases.iter().map(String::as_str);
            std::iter::once(config.trust_domain.as_str()).chain(aliases).collect::<Vec<_>>()
        };
        let configured =
            mesh.snapshot.of_kind(&Kind::ConfigMap).any(|object| object.body.mesh_config().is_some());
        let is_told = configured && !skips_validation(mesh);
        Self {
            namespaces: all.then_some(listed.clone()),
            is_whole: listed.contains("kube-system"),
            accounts: if elsewhere { BTreeMap::new() } else { accounts },
            with_objects,
            trust_domains: is_told.then(|| mesh.of_all().flat_map(|mesh| domains(&mesh.config)).collect()),
        }
    }

    fn of_list(
        &self,
        policy: &Policy<'_>,
        place: &str,
        field: &str,
        values: &[Text],
        missing: &mut BTreeSet<Missing>,
    ) -> Option<Finding> {
        let mut said = Vec::new();
        let mut confidence = Confidence::Certain;
        for value in values {
            match self.judge(policy, field, value) {
                Some(Wrong::TrustDomain(domain)) => {
                    said.push(format!("{value:?}: {domain} is no trust domain of the mesh"));
                }
                Some(Wrong::Namespace(namespace)) => {
                    said.push(format!("{value:?}: there is no namespace {namespace}"));
                    if !self.is_whole {
                        confidence = Confidence::Likely;
                    }
                }
                Some(Wrong::Account(namespace, name)) => {
                    said.push(format!("{value:?}: there is no service account {namespace}/{name}"));
                    if !self.accounts.get(&*namespace).is_some_and(|all| all.contains("default")) {
                        confidence = Confidence::Likely;
                    }
                }
                Some(Wrong::OpenAccount(namespace, name)) => {
                    let need =
                        format!("whether there is a service account {namespace}/{name}, which no pod has");
                    missing.insert(Missing::not_collected("ServiceAccount", need));
                }
                None => {}
            }
        }
        let first = said.first()?;
        let more = match said.len() {
            1 => String::new(),
            all => format!(", and {} more of the list", all - 1),
        };
        let message = format!("{} ({place}) names {first}{more}{}", policy.object.id, policy.tried());
        let counted = "nobody has such an identity";
        let mut finding = Finding::of_field(Code::UnknownIdentity, policy.object, place, counted, message);
        finding.confidence = confidence;
        Some(finding)
    }

    fn judge(&self, policy: &Policy<'_>, field: &str, value: &str) -> Option<Wrong> {
        match field {
            "principals" => self.principal(policy, value),
            "namespaces" => self.namespace(value),
            "serviceAccounts" => {
                let (namespace, name) = account(value, &policy.object.id.namespace);
                self.account(namespace, name)
            }
            _ => self.trust_domain(policy, value),
        }
    }

    fn trust_domain(&self, policy: &Policy<'_>, domain: &str) -> Option<Wrong> {
        let all = self.trust_domains.as_ref()?;
        let fits = |one: &str, other: &str| Pattern::new(one).fits(other, Star::SomeText);
        // A ztunnel takes what is written, and has no other names for it.
        let captured =
            !policy.pods.is_empty() && policy.pods.iter().all(|(_, pod)| pod.proxy == ProxyKind::Ztunnel);
        let stands_for = domain == "cluster.local" && !captured;
        let is_known = domain.contains('*')
            || stands_for
            || all.iter().any(|one| fits(one, domain) || fits(domain, one));
        (!is_known && !domain.is_empty()).then(|| Wrong::TrustDomain(domain.to_owned()))
    }

    fn namespace(&self, value: &str) -> Option<Wrong> {
        let all = self.namespaces.as_ref()?;
        let glob = Glob::new(value);
        let is_there = value.is_empty() || value.contains('/') || all.iter().any(|one| glob.fits(one));
        (!is_there).then(|| Wrong::Namespace(value.to_owned()))
    }

    fn account(&self, namespace: &str, name: &str) -> Option<Wrong> {
        if namespace.contains('*') || name.contains(['*', '/']) || name.is_empty() || namespace.is_empty() {
            return None;
        }
        if let Some(wrong) = self.namespace(namespace) {
            return Some(wrong);
        }
        // Without any pod of the namespace it was not collected, or is empty as yet.
        let known = self.accounts.get(namespace)?;
        if known.contains(name) {
            return None;
        }
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Some(if self.with_objects.contains(&*namespace) {
            Wrong::Account(namespace, name)
        } else {
            Wrong::OpenAccount(namespace, name)
        })
    }

    /// Of a principal with a star those parts that stand whole before it are judged.
    fn principal(&self, policy: &Policy<'_>, value: &str) -> Option<Wrong> {
        let parts: Vec<&str> = value.split('/').collect();
        let domain = parts.first().filter(|_| parts.len() > 1 && !value.starts_with("spiffe:"));
        let of_domain = domain.and_then(|domain| self.trust_domain(policy, domain));
        let of_rest = || match *parts.as_slice() {
            [_, "ns", namespace, "sa", account] if !account.contains('*') => self.account(namespace, account),
            [_, "ns", namespace, _, ..] => self.namespace(namespace),
            _ => None,
        };
        of_domain.or_else(of_rest)
    }
}
