//! Judging every pair once and making findings of what does not hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::conflicts::Conflicts;
use super::checks::reasons::Reasons;
use super::checks::{
    ambient_ports, host_matches_nothing, not_readable, not_understood, peer_policies, probes,
    rule_never_used, rules_lost, subsets, tls_origination, two_origins,
};
use super::finding::{ClientName, Finding};
use super::uses::{Uses, Visit};
use crate::model::Origin;
use crate::resolve::clients::{self, Classes};
use crate::resolve::rules::HostRules;
use crate::resolve::{Answers, Group, Mesh, Missing, PairTls, Service, Status, Target, Workload};

/// What came of judging the configuration.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// How many pairs (client workload, service port, subset in use) were judged.
    pub pairs: u64,
    /// How many of them could not be told.
    pub unknown: u64,
    /// What is missing for those.
    pub missing: BTreeSet<Missing>,
    /// What was taken for granted.
    pub assumed: Vec<&'static str>,
}

/// A pair as the checks see it: a class of clients and what it calls.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The clients.
    pub group: &'a Group<'a>,
    /// One of them.
    pub client: &'a Workload,
    /// The service.
    pub service: &'a Service,
    /// The answer.
    pub tls: &'a PairTls,
}

impl Judged<'_> {
    /// The workloads of the group, sorted.
    pub fn clients(&self) -> Arc<[ClientName]> {
        let mut names: Vec<_> = self.group.names(self.mesh).collect();
        names.sort();
        names.dedup();
        names.into()
    }
}

/// What cannot be read as any object: where it stands and what is the matter.
pub type Unread = (Origin, String);

/// Judges every client workload with a proxy against every service port in its scope. What holds in one order of ages
/// only, where the times that would tell are missing, is not said: it cannot be told.
pub fn diagnose(mesh: &Mesh, unread: &[Unread]) -> Diagnosis {
    let mut diagnosis = in_order(mesh, unread);
    let Some(other) = &mesh.other_ages else { return diagnosis };
    let other: BTreeSet<String> = in_order(other, unread).findings.iter().map(Finding::id).collect();
    let (stays, open): (Vec<_>, Vec<_>) = std::mem::take(&mut diagnosis.findings)
        .into_iter()
        .partition(|finding| other.contains(&finding.id()));
    diagnosis.findings = stays;
    for finding in open {
        let need =
            format!("whether {} holds for {}: which object is older decides", finding.code, finding.root.0);
        diagnosis.missing.insert(Missing::not_collected("metadata.creationTimestamp", need));
        diagnosis.unknown += 1;
    }
    diagnosis
}

/// The same in one order of ages, but for pairs, which are judged in both.
fn in_order(mesh: &Mesh, unread: &[Unread]) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let mut conflicts = Conflicts::default();
    let mut reasons = Reasons::default();
    let mut plain = tls_origination::Plain::default();
    let mut uses = Uses::new(mesh);
    let mut missing = subsets::Missing::default();
    let mut answers = Answers::new(mesh);
    let classes = Classes::new(mesh, clients::classes(mesh, |_| true));
    for host in mesh.registry.hosts() {
        let mut rules: Option<(&Service, HostRules<'_>)> = None;
        for group in classes.groups(mesh, host) {
            let Some(client) = group.representative(mesh) else { continue };
            let mesh = mesh.of_client(client);
            let is_called =
                |target: &Target<'_>| !target.service.is_alias() && mesh.calls(client, target.service);
            let Some(target) = mesh.target(client, host).filter(is_called) else { continue };
            let known = match rules {
                Some((service, known)) if std::ptr::eq(service, target.service) => known,
                Some(_) | None => mesh.rules_for(target.service),
            };
            rules = Some((target.service, known));
            let choice = mesh.choice_of(client, &target, &known);
            let called = mesh.scopes.subsets_called(client, host);
            let visit = Visit {
                mesh,
                client,
                group: &group,
                target: &target,
                choice: choice.as_ref(),
                rules: &known,
                called: &called,
            };
            uses.visit(&visit);
            missing.visit(&visit);
            let called: Vec<_> = if called.is_empty() {
                Vec::new()
            } else {
                mesh.subsets(choice.as_ref()).into_iter().filter(|subset| called.contains(subset)).collect()
            };
            for port in target.service.ports().iter().filter(|port| port.tcp && target.has(port.number)) {
                for subset in std::iter::once(None).chain(called.iter().map(|subset| Some(&**subset))) {
                    let tls = answers.pair(client, &target, choice.clone(), port.number, subset);
                    let judged = Judged { mesh, group: &group, client, service: target.service, tls: &tls };
                    diagnosis.count(&judged);
                    conflicts.add(&judged);
                    reasons.add(&judged);
                    plain.add(&judged);
                }
            }
        }
    }
    diagnosis.findings = conflicts.findings();
    let alone = reasons.findings(mesh, &diagnosis.findings);
    diagnosis.findings.extend(alone);
    diagnosis.findings.extend(of_rules(mesh, &uses));
    diagnosis.findings.extend(missing.findings(mesh));
    diagnosis.findings.extend(plain.findings());
    diagnosis.findings.extend(peer_policies::ignored(mesh));
    diagnosis.findings.extend(peer_policies::on_service_port(mesh));
    diagnosis.findings.extend(ambient_ports::check(mesh));
    diagnosis.findings.extend(probes::check(mesh));
    diagnosis.findings.extend(not_readable::check(mesh, &diagnosis.missing));
    diagnosis.findings.extend(not_understood::check(&mesh.snapshot, unread));
    diagnosis.findings.extend(two_origins::check(&mesh.snapshot));
    diagnosis.findings.sort_by(Finding::order);
    diagnosis.assumed.sort_unstable();
    diagnosis.assumed.dedup();
    diagnosis
}

/// The findings about rules: of several that fit one, the more specific.
fn of_rules(mesh: &Mesh, uses: &Uses) -> Vec<Finding> {
    let (mut findings, nowhere) = host_matches_nothing::check(mesh);
    let never = rule_never_used::rules(mesh, uses, &nowhere);
    findings.extend(rule_never_used::check(mesh, uses, &never));
    findings.extend(rules_lost::shadowed(mesh, uses, &never));
    findings.extend(rules_lost::policy_dropped(mesh, uses));
    findings.extend(rules_lost::not_merged(mesh, uses));
    findings.extend(rules_lost::not_exported(mesh, uses, &never));
    findings.extend(rules_lost::stops(mesh, uses));
    findings.extend(subsets::duplicate(mesh, uses));
    findings.extend(subsets::empty(mesh, uses));
    findings
}

impl Diagnosis {
    fn count(&mut self, judged: &Judged<'_>) {
        let tls = judged.tls;
        let size = judged.group.workloads();
        self.pairs += size;
        let unknown = tls.status == Status::Unknown || tls.undecided.is_some();
        if let Some(undecided) = &tls.undecided {
            self.missing.insert(Missing::not_collected("metadata.creationTimestamp", undecided.clone()));
        }
        for missing in &tls.missing {
            if !self.missing.contains(missing) {
                self.missing.insert(missing.clone());
            }
        }
        if unknown {
            self.unknown += size;
        }
        self.assumed.extend(
            tls.assumed.iter().filter(|one| !self.assumed.contains(one)).copied().collect::<Vec<_>>(),
        );
    }
}
