//! Judging every pair once and making findings of what does not hold.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::checks::authorization::plaintext::Asking;
use super::checks::conflicts::Conflicts;
use super::checks::reasons::Reasons;
use super::checks::{
    ambient_ports, authorization, host_matches_nothing, not_readable, not_understood, peer_policies, probes,
    rule_never_used, rules_lost, subsets, tls_origination, two_origins,
};
use super::finding::{ClientName, Finding};
use super::uses::{Ground, Uses, Visit};
use crate::model::{Origin, Text};
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
    /// The workloads of the group, from when they are first asked for.
    pub named: &'a OnceCell<Arc<[ClientName]>>,
}

impl Judged<'_> {
    /// The workloads of the group, sorted.
    pub fn clients(&self) -> Arc<[ClientName]> {
        let named = || {
            let mut names: Vec<_> = self.group.names(self.mesh).collect();
            names.sort();
            names.dedup();
            names.into()
        };
        Arc::clone(self.named.get_or_init(named))
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

/// So many hosts are judged together. It is no matter of how many processors there are, so that what is found is not
/// either.
const TOGETHER: usize = 512;

/// The same in one order of ages, but for pairs, which are judged in both.
fn in_order(mesh: &Mesh, unread: &[Unread]) -> Diagnosis {
    let (classes, ground) =
        rayon::join(|| Classes::new(mesh, clients::classes(mesh, |_| true)), || Ground::new(mesh));
    let asking = Asking::new(mesh);
    let hosts: Vec<_> = mesh.registry.hosts().collect();
    let parts: Vec<_> = hosts
        .par_chunks(TOGETHER)
        .map(|hosts| Part::new(mesh, &classes, (&ground, &asking), hosts))
        .collect();
    let mut all = Part::empty((&ground, &asking));
    for part in parts {
        all.absorb(part);
    }
    let Part { mut diagnosis, conflicts, reasons, plain, without_identity, uses, missing, .. } = all;
    let of_pairs = || {
        let mut findings = conflicts.findings();
        findings.extend(reasons.findings(mesh, &findings));
        findings.extend(missing.findings(mesh));
        findings.extend(plain.findings());
        findings.extend(peer_policies::ignored(mesh));
        findings.extend(peer_policies::on_service_port(mesh));
        findings.extend(ambient_ports::check(mesh));
        findings.extend(probes::check(mesh));
        findings.extend(not_readable::check(mesh, &diagnosis.missing));
        findings.extend(not_understood::check(&mesh.snapshot, unread));
        findings.extend(two_origins::check(&mesh.snapshot));
        findings
    };
    let of_callers = || authorization::check(mesh, &without_identity);
    let (of_pairs, (of_rules, (of_callers, untold))) =
        rayon::join(of_pairs, || (of_rules(mesh, &uses), of_callers()));
    diagnosis.findings = of_pairs;
    diagnosis.findings.extend(of_callers);
    diagnosis.missing.extend(untold);
    diagnosis.findings.extend(of_rules);
    diagnosis.findings.sort_by(Finding::order);
    diagnosis.assumed.sort_unstable();
    diagnosis.assumed.dedup();
    diagnosis
}

/// What came of judging some of the hosts.
struct Part<'a> {
    diagnosis: Diagnosis,
    conflicts: Conflicts,
    reasons: Reasons,
    plain: tls_origination::Plain,
    asking: &'a Asking,
    without_identity: authorization::plaintext::Plain,
    uses: Uses<'a>,
    missing: subsets::Missing,
}

impl<'a> Part<'a> {
    fn empty((ground, asking): (&'a Ground, &'a Asking)) -> Self {
        Self {
            diagnosis: Diagnosis::default(),
            conflicts: Conflicts::default(),
            reasons: Reasons::default(),
            plain: tls_origination::Plain::default(),
            asking,
            without_identity: authorization::plaintext::Plain::default(),
            uses: Uses::new(ground),
            missing: subsets::Missing::default(),
        }
    }

    fn new(mesh: &'a Mesh, classes: &Classes, ground: (&'a Ground, &'a Asking), hosts: &[&Text]) -> Self {
        let mut part = Self::empty(ground);
        let mut answers = Answers::new(mesh);
        for host in hosts {
            part.host(mesh, classes, &mut answers, host);
        }
        part
    }

    /// Judges all clients of a host.
    fn host(&mut self, mesh: &'a Mesh, classes: &Classes, answers: &mut Answers<'a>, host: &str) {
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
            self.uses.visit(&visit);
            self.missing.visit(&visit);
            let called: Vec<_> = if called.is_empty() {
                Vec::new()
            } else {
                mesh.subsets(choice.as_ref()).into_iter().filter(|subset| called.contains(subset)).collect()
            };
            let named = OnceCell::new();
            for port in target.service.ports().iter().filter(|port| port.tcp && target.has(port.number)) {
                for subset in std::iter::once(None).chain(called.iter().map(|subset| Some(&**subset))) {
                    let tls = answers.pair(client, &target, choice.clone(), port.number, subset);
                    let service = target.service;
                    let judged = Judged { mesh, group: &group, client, service, tls: &tls, named: &named };
                    self.diagnosis.count(&judged);
                    self.conflicts.add(&judged);
                    self.reasons.add(&judged);
                    self.plain.add(&judged);
                    self.without_identity.add(&judged, self.asking);
                }
            }
        }
    }

    /// Takes over what came of later hosts.
    fn absorb(&mut self, later: Self) {
        self.diagnosis.absorb(later.diagnosis);
        self.conflicts.absorb(later.conflicts);
        self.reasons.absorb(later.reasons);
        self.plain.absorb(later.plain);
        self.without_identity.absorb(later.without_identity);
        self.uses.absorb(later.uses);
        self.missing.absorb(later.missing);
    }
}

/// The findings about rules: of several that fit one, the more specific.
fn of_rules(mesh: &Mesh, uses: &Uses<'_>) -> Vec<Finding> {
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
    fn absorb(&mut self, later: Self) {
        self.pairs += later.pairs;
        self.unknown += later.unknown;
        self.missing.extend(later.missing);
        self.assumed.extend(later.assumed);
    }

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
