//! From a finding to the smallest change that ends it and keeps every other setting.
//!
//! A remedy is proposed only after it was tried: the change is applied to the snapshot, what it can touch is resolved
//! again, the finding must be gone, no pair may be worse off, and no setting that is in force may be lost. Every pair
//! whose answer becomes another is listed with it, before and after.

mod change;
mod exception;
mod kubectl;
mod preview;
mod proposal;
mod settings;
mod tls;

use std::sync::OnceLock;

use serde_json::Value;

use crate::diagnose::checks::root::TUNNEL;
use crate::diagnose::checks::{ambient_ports, peer_policies, reasons::Reasons};
use crate::diagnose::{ClientName, Code, Edge, Finding, Reason, Severity};
use crate::model::destination_rule::DestinationRule;
use crate::model::{Kind, ObjectId};
use crate::resolve::client_tls::Sent;
use crate::resolve::clients::Classes;
use crate::resolve::rules::{Choice, normalise};
use crate::resolve::{Mesh, PairTls, Status, Workload, authorization, clients, interception};

use proposal::Proposal;

pub use preview::{PairChange, Side};

/// A change that ends a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// What it does and what differs, in one line.
    pub title: String,
    /// The object to change or to make.
    pub object: ObjectId,
    /// A merge patch (RFC 7386) with complete lists.
    pub patch: Option<Value>,
    /// The whole object, where it is new.
    pub manifest: Option<Value>,
    /// The command that applies it.
    pub command: Option<String>,
    /// Every pair whose answer becomes another.
    pub changes: Vec<PairChange>,
}

/// At most so many pairs of a finding are resolved again to try a remedy.
const TRIED: usize = 200;

/// The remedies of a finding, the one that changes least for others first.
pub fn remedies(mesh: &Mesh, finding: &Finding) -> Vec<Remedy> {
    Remedies::new(mesh).of(finding)
}

/// Remedies of one finding after the other. What trying them has in common is made once.
#[derive(Debug)]
pub struct Remedies<'a> {
    mesh: &'a Mesh,
    /// The classes of its clients, from when they are first asked for.
    classes: OnceLock<Classes>,
}

impl<'a> Remedies<'a> {
    /// For the findings of a mesh.
    pub fn new(mesh: &'a Mesh) -> Self {
        Self { mesh, classes: OnceLock::new() }
    }

    fn classes(&self) -> &Classes {
        self.classes.get_or_init(|| Classes::new(self.mesh, clients::classes(self.mesh, |_| true)))
    }

    /// Those of a finding, the one that changes least for others first.
    pub fn of(&self, finding: &Finding) -> Vec<Remedy> {
        let mesh = self.mesh;
        if finding.code == Code::PlaintextToStrict || finding.code == Code::MtlsToPlaintext {
            let pod = mesh
                .snapshot
                .get(&finding.root.0)
                .filter(|object| object.id.kind == Kind::Pod && finding.root.1 != TUNNEL);
            if let Some(pod) = pod.filter(|_| finding.root.1 == "metadata.annotations") {
                let port = self.kept_from_proxy(finding);
                return port
                    .map(|port| of(tls::intercept(mesh, pod, port), Vec::new()))
                    .into_iter()
                    .collect();
            }
            if let Some(pod) = pod {
                return vec![of(tls::restart(mesh, pod), Vec::new())];
            }
        }
        let proposed = self.proposals(finding);
        let mut tried: Vec<_> =
            proposed.into_iter().filter_map(|proposal| self.tried(finding, proposal)).collect();
        tried.sort_by_key(|(others, _)| *others);
        tried.into_iter().map(|(_, remedy)| remedy).collect()
    }

    /// The port that a pod's annotations keep from its proxy, and the annotation.
    fn kept_from_proxy(&self, finding: &Finding) -> Option<(u16, &'static str)> {
        let edge = finding.edges.iter().next()?;
        let client = workload(self.mesh, &edge.client)?;
        let pair = self.mesh.pair(client, &edge.host, edge.port, edge.subset.as_deref())?;
        pair.endpoints.iter().find_map(|endpoint| {
            let pod = self.mesh.workloads.get(endpoint.workload?);
            let pod = pod.filter(|pod| pod.object.id == finding.root.0)?;
            Some((endpoint.port, interception::inbound_excluded_by(pod, endpoint.port)?))
        })
    }

    /// What may end it, the most likely first.
    fn proposals(&self, finding: &Finding) -> Vec<Proposal> {
        let mesh = self.mesh;
        let (id, field) = &finding.root;
        let Some(object) = mesh.snapshot.get(id) else { return Vec::new() };
        let block = field.strip_suffix(".mode").unwrap_or(field);
        let one = |proposal: Option<Proposal>| proposal.into_iter().collect();
        match (finding.code, &id.kind) {
            (Code::PlaintextToStrict, Kind::DestinationRule)
                if finding.because.contains(&Reason::PortSettingsDropTls) =>
            {
                tls::with_port_entries(object, finding).into_iter().flatten().collect()
            }
            (
                Code::PlaintextToStrict
                | Code::OneWayTlsToStrict
                | Code::ForeignTlsToSidecar
                | Code::UpstreamUnreachable,
                Kind::DestinationRule,
            ) => {
                let own = [tls::istio_mutual(object, block), tls::without(object, block)];
                own.into_iter().flatten().chain(exception::of(mesh, finding, "ISTIO_MUTUAL")).collect()
            }
            (Code::DeniedBecausePlaintext, Kind::DestinationRule) => {
                [tls::istio_mutual(object, block), tls::without(object, block)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            (Code::MtlsToPlaintext | Code::MtlsToExternal, Kind::DestinationRule) => {
                let policies =
                    tls::partners(mesh, finding).filter_map(|policy| tls::permissive(&policy.0, &policy.1));
                let own = tls::without(object, block).into_iter().chain(policies);
                own.chain(exception::of(mesh, finding, "DISABLE")).collect()
            }
            (Code::PlaintextToStrict | Code::MtlsToPlaintext, Kind::PeerAuthentication) => {
                one(tls::permissive(object, field))
            }
            (Code::PlaintextToStrict, Kind::ServiceEntry) => one(tls::internal(object)),
            (Code::PortLevelOnServicePort, _) => one(settings::target_port(mesh, object)),
            (Code::TlsModeMissing, _) => {
                let fields = finding.objects.first().map(|cause| cause.fields.as_slice()).unwrap_or_default();
                if fields.len() == 1 { one(tls::say_disable(object, block)) } else { Vec::new() }
            }
            (Code::PortSettingsDropTls, _) => one(settings::repeat_dropped(object, finding)),
            (Code::MissingTlsOrigination, _) => one(exception::originate(mesh, finding)),
            (Code::AmbientPortExceptionLost, _) => one(settings::permissive_port(object, field)),
            (Code::RuleNeverUsed, _) => one(settings::to_namespace_of_service(mesh, self.classes(), object)),
            (Code::RuleShadowed, _) => one(settings::into_winner(mesh, object, finding)),
            (Code::HostMatchesNothing, _) => one(settings::whole_host(mesh, self.classes(), object)),
            (Code::SubsetMissing, _) => one(settings::with_subset(mesh, finding)),
            (_, _) => Vec::new(),
        }
    }

    /// The remedy, where it does what it should, with the number of pairs that it changes besides those of the finding.
    fn tried(&self, finding: &Finding, proposal: Proposal) -> Option<(usize, Remedy)> {
        let mesh = self.mesh;
        let after = mesh.with_changes(proposal.delta.clone());
        if !self.is_gone(&after, finding, &proposal.object) {
            return None;
        }
        let changes = preview::changes(mesh, self.classes(), &after, &proposal.touched());
        let of_finding = |change: &PairChange| {
            finding.edges.targets().any(|(host, port, subset, _)| {
                *host == change.host && port == change.port && subset == change.subset.as_ref()
            })
        };
        // That a host outside serves TLS is what the finding says, and what nothing that was read can prove.
        let originates = |change: &PairChange| {
            finding.code == Code::MissingTlsOrigination
                && change.after.status == Status::Cond
                && of_finding(change)
        };
        if preview::leaves_any(finding, &changes) {
            return None;
        }
        if changes.iter().any(|change| change.is_worse() && !originates(change) || change.loses_a_setting()) {
            return None;
        }
        // Where the finding is no conflict, nothing is gained that would be worth a doubt.
        let conflicts = finding.severity == Severity::Error;
        if !conflicts && changes.iter().any(|change| change.ends_badly() && !originates(change)) {
            return None;
        }
        let others = changes.iter().filter(|change| !of_finding(change)).count();
        Some((others, of(proposal, changes)))
    }

    /// Whether a finding does not hold any more, after a change that was made by way of `object`.
    fn is_gone(&self, mesh: &Mesh, finding: &Finding, object: &ObjectId) -> bool {
        let same = |other: &Finding| other.code == finding.code && other.root == finding.root;
        let pair =
            |client: &Workload, edge: &Edge| mesh.pair(client, &edge.host, edge.port, edge.subset.as_deref());
        if finding.code == Code::HostMatchesNothing {
            // All rules need not be looked at again for one of which the host is known.
            mesh.rules.of_object(object).is_some_and(|rule| mesh.registry.by_host(&rule.host).is_some())
        } else if finding.code == Code::PortLevelOnServicePort {
            !peer_policies::on_service_port(mesh).iter().any(same)
        } else if matches!(finding.code, Code::TlsModeMissing | Code::PortSettingsDropTls) {
            !Reasons::default().findings(mesh, &[]).iter().any(same)
        } else if finding.code == Code::AmbientPortExceptionLost {
            !ambient_ports::check(mesh).iter().any(same)
        } else if finding.code == Code::SubsetMissing {
            of_edges(mesh, finding, |client, edge| {
                let choice = choice(mesh, client, &edge.host);
                edge.subset.as_ref().is_some_and(|subset| mesh.subsets(choice.as_ref()).contains(subset))
            })
        } else if finding.code == Code::RuleNeverUsed {
            is_in_force(mesh, self.classes(), object)
        } else if finding.code == Code::RuleShadowed {
            let hidden =
                self.mesh.snapshot.get(&finding.root.0).and_then(|rule| rule.body.destination_rule());
            hidden.is_some_and(|hidden| {
                of_edges(mesh, finding, |client, edge| stands_for(mesh, client, edge, hidden))
            })
        } else if finding.code == Code::DeniedBecausePlaintext {
            of_edges(mesh, finding, |client, edge| {
                pair(client, edge).is_some_and(|pair| {
                    pair.effective == Some(Sent::IstioMutual) && are_let_in(mesh, client, &pair)
                })
            })
        } else if finding.code == Code::MissingTlsOrigination {
            let sent = |client: &Workload, edge: &Edge| pair(client, edge).and_then(|pair| pair.effective);
            of_edges(mesh, finding, |client, edge| sent(client, edge) == Some(Sent::Simple))
        } else {
            of_edges(mesh, finding, |client, edge| {
                let status = pair(client, edge).map(|pair| pair.status);
                matches!(status, Some(Status::Ok | Status::Warn | Status::Cond))
            })
        }
    }
}

fn of(proposal: Proposal, changes: Vec<PairChange>) -> Remedy {
    let Proposal { title, object, patch, manifest, command, delta: _ } = proposal;
    Remedy { title, object, patch, manifest, command, changes }
}

/// Whether the identity of a client alone lets it in at every endpoint that may answer. A rule that asks for more, or for
/// somebody else, may still keep it out.
fn are_let_in(mesh: &Mesh, client: &Workload, pair: &PairTls) -> bool {
    pair.reachable().all(|endpoint| {
        let server = endpoint.workload.and_then(|at| mesh.workloads.get(at));
        server.is_some_and(|server| {
            let known = authorization::allowing(mesh, server);
            known.denies_all.is_none() && known.knows(mesh, Some(client)) == Some(true)
        })
    })
}

/// The rule that a client uses for a host.
fn choice(mesh: &Mesh, client: &Workload, host: &str) -> Option<Choice> {
    mesh.target(client, host).and_then(|target| mesh.choice(client, &target))
}

/// Whether any client uses a rule.
fn is_in_force(mesh: &Mesh, classes: &Classes, id: &ObjectId) -> bool {
    let Some(rule) = mesh.snapshot.get(id).and_then(|object| object.body.destination_rule()) else {
        return false;
    };
    let host = normalise(&rule.host, &id.namespace);
    let uses = |client: &Workload| {
        let choice = choice(mesh, client, &host);
        let contributors = choice.map(|choice| choice.contributors).unwrap_or_default();
        contributors.iter().any(|one| mesh.rules.get(one.rule).is_some_and(|rule| rule.object.id == *id))
    };
    classes.groups(mesh, &host).iter().filter_map(|group| group.representative(mesh)).any(uses)
}

/// Whether a client has all that a hidden rule sets, as that has it.
fn stands_for(mesh: &Mesh, client: &Workload, edge: &Edge, hidden: &DestinationRule) -> bool {
    let choice = choice(mesh, client, &edge.host);
    let subsets = mesh.subsets(choice.as_ref());
    let pair = mesh.pair(client, &edge.host, edge.port, None);
    let has = |(name, block)| {
        pair.as_ref().is_some_and(|pair| pair.policy.blocks.get::<String>(name) == Some(block))
    };
    let mut blocks = hidden.traffic_policy.iter().flat_map(|policy| &policy.blocks);
    hidden.subsets.iter().all(|subset| subsets.contains(&subset.name)) && blocks.all(has)
}

/// Whether all pairs of a finding are as they should be.
fn of_edges(mesh: &Mesh, finding: &Finding, is_well: impl Fn(&Workload, &Edge) -> bool) -> bool {
    let mut edges = finding.edges.iter().take(TRIED).peekable();
    edges.peek().is_some()
        && edges.all(|edge| workload(mesh, &edge.client).is_some_and(|client| is_well(client, &edge)))
}

/// The first pod of a client.
fn workload<'a>(mesh: &'a Mesh, name: &ClientName) -> Option<&'a Workload> {
    let mut pods = mesh.workloads.in_namespace(&name.0).iter().filter_map(|at| mesh.workloads.get(*at));
    pods.find(|pod| pod.name == name.1 && pod.kind == name.2)
}

#[cfg(test)]
mod tests;
