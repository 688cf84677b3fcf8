//! Why each rule is, or is not, the one that a client uses: one outcome and one sentence a rule.

use std::sync::Arc;

use super::mesh::{Mesh, Target};
use super::registry::Service;
use super::rules::{Entry, Found, Level, Rule, RuleId, matches};
use super::workload::Workload;
use crate::model::pod::ProxyKind;
use crate::model::{Object, Text};

/// What became of a rule (`candidates[].outcome` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It names the entry in force.
    Used,
    /// It was merged into the entry in force.
    Merged,
    /// It was merged into an entry that is not chosen.
    MergedNotUsed,
    /// An earlier pool answered first.
    Shadowed,
    /// A more specific host of the same pool answered.
    LessSpecific,
    /// Its export list hides it from the client.
    NotExported,
    /// Its namespace is not looked at.
    WrongNamespace,
    /// Its host is another one.
    HostMismatch,
    /// Its workload selector does not select the client.
    SelectorMismatch,
    /// A rule that selects the client was chosen.
    SelectorPreferred,
    /// It lost to a newer rule with which it does not merge.
    Older,
    /// It lost to an older rule with which it does not merge.
    Newer,
    /// The service is not in the client's scope.
    NotInScope,
}

impl Outcome {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Merged => "merged",
            Self::MergedNotUsed => "merged-not-used",
            Self::Shadowed => "shadowed",
            Self::LessSpecific => "less-specific",
            Self::NotExported => "not-exported",
            Self::WrongNamespace => "wrong-namespace",
            Self::HostMismatch => "host-mismatch",
            Self::SelectorMismatch => "selector-mismatch",
            Self::SelectorPreferred => "selector-preferred",
            Self::Older => "older",
            Self::Newer => "newer",
            Self::NotInScope => "not-in-scope",
        }
    }
}

/// A rule and what became of it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The rule.
    pub object: Arc<Object>,
    /// Its host as written.
    pub host: Text,
    /// Its host made whole.
    pub normalised_host: Text,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub reason: String,
    /// What would have to be otherwise for it to win, where that is simple to say.
    pub would_win_if: Option<String>,
}

/// Which rules to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those whose host matches, and near misses: the same first label.
    Near,
    /// Every rule.
    All,
}

/// The rules and their outcomes for a client and a service: the one used first, then in the order of outcomes.
pub fn candidates(mesh: &Mesh, client: &Workload, target: &Target<'_>, which: Which) -> Vec<Candidate> {
    let service = target.service;
    let asked = Asked::new(mesh, client, target);
    let mut found: Vec<_> = mesh
        .rules
        .all()
        .filter(|(_, rule)| which == Which::All || is_near(rule, service))
        .filter_map(|(id, rule)| asked.candidate(id, rule))
        .collect();
    found.sort_by(|a, b| (a.outcome, &a.object.id).cmp(&(b.outcome, &b.object.id)));
    found
}

fn is_near(rule: &Rule, service: &Service) -> bool {
    let first = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
    matches(&rule.host, &service.host) || first(&rule.host) == first(&service.host)
}

struct Asked<'a> {
    mesh: &'a Mesh,
    client: &'a Workload,
    service: &'a Service,
    in_scope: bool,
    found: Option<Found<'a>>,
    chosen: Option<&'a Entry>,
}

struct Verdict {
    outcome: Outcome,
    reason: String,
    would_win_if: Option<String>,
}

fn because(outcome: Outcome, reason: impl Into<String>) -> Verdict {
    Verdict { outcome, reason: reason.into(), would_win_if: None }
}

impl Verdict {
    fn would_win_if(mut self, text: impl Into<String>) -> Self {
        self.would_win_if = Some(text.into());
        self
    }
}

impl<'a> Asked<'a> {
    fn new(mesh: &'a Mesh, client: &'a Workload, target: &Target<'a>) -> Self {
        let mesh = mesh.of_client(client);
        let service = target.service;
        let root = &mesh.config.root_namespace;
        let found = mesh.rules.look_up(&client.namespace, &service.namespace, &service.host, root);
        let selects = client.proxy != ProxyKind::Waypoint;
        let choose = |found: &Found<'a>| mesh.rules.choose(found, &client.namespace, &client.labels, selects);
        let chosen = found.as_ref().and_then(choose);
        Self { mesh, client, service, in_scope: target.is_in_scope(), found, chosen }
    }

    fn candidate(&self, id: RuleId, rule: &Rule) -> Option<Candidate> {
        let verdict = self.verdict(id, rule);
        Some(Candidate {
            object: Arc::clone(&rule.object),
            host: Arc::clone(&rule.body()?.host),
            normalised_host: Arc::clone(&rule.host),
            outcome: verdict.outcome,
            reason: verdict.reason,
            would_win_if: verdict.would_win_if,
        })
    }

    fn verdict(&self, id: RuleId, rule: &Rule) -> Verdict {
        if !matches(&rule.host, &self.service.host) {
            return self.host_mismatch(rule);
        }
        if !self.in_scope {
            return because(Outcome::NotInScope, "the service is not in the client's scope");
        }
        if matches!(self.client.proxy, ProxyKind::None | ProxyKind::Ztunnel) {
            return because(Outcome::NotInScope, "the client has no proxy that takes notice of rules");
        }
        let namespace = &rule.object.id.namespace;
        let root = self.mesh.config.root_namespace.as_str();
        if *namespace != self.client.namespace && *namespace != self.service.namespace && **namespace != *root
        {
            let reason = format!(
                "namespace {namespace} is neither the client's ({}), the service's ({}) nor the root namespace ({root})",
                self.client.namespace, self.service.namespace
            );
            return because(Outcome::WrongNamespace, reason)
                .would_win_if(format!("it stood in {}", self.service.namespace));
        }
        let Some((level, best)) = self.place(rule) else { return self.not_exported(rule) };
        if **best != *rule.host {
            let reason = format!("host {best} of the same pool is more specific than {}", rule.host);
            return because(Outcome::LessSpecific, reason);
        }
        if let Some(primary) = self.merged_away(id, level) {
            let reason = format!(
                "it was merged into {primary}, which is older and whose exportTo does not name {}",
                self.client.namespace
            );
            return because(Outcome::MergedNotUsed, reason);
        }
        match &self.found {
            Some(found) if level > found.level => self.shadowed(found),
            Some(found) => self.in_list(id, rule, found),
            None => self.not_exported(rule),
        }
    }

    /// The first pool in which the client finds the rule, and the host that answers there.
    fn place(&self, rule: &Rule) -> Option<(Level, &Text)> {
        let root = self.mesh.config.root_namespace.as_str();
        let pools = self.mesh.rules.pools(&self.client.namespace, &self.service.namespace, root);
        pools.into_iter().find_map(|(level, table)| {
            let of_pool = match level {
                Level::Client => rule.object.id.namespace == self.client.namespace,
                Level::Service => rule.object.id.namespace == self.service.namespace,
                Level::Root => *rule.object.id.namespace == *root,
            };
            let seen = of_pool && (level == Level::Client || rule.is_visible_to(&self.client.namespace));
            let holds = seen && table.holds(&rule.host, &self.mesh.rules, rule);
            holds.then(|| table.best(&self.service.host).map(|found| (level, &found.host))).flatten()
        })
    }

    /// The rule that names the entry, where the rule is in none that the client sees.
    fn merged_away(&self, id: RuleId, level: Level) -> Option<String> {
        let root = self.mesh.config.root_namespace.as_str();
        let pools = self.mesh.rules.pools(&self.client.namespace, &self.service.namespace, root);
        let (_, table) = pools.into_iter().find(|(one, _)| *one == level)?;
        let entries = &table.best(&self.service.host)?.entries;
        let holds = |entry: &&Entry| entry.contributors.iter().any(|one| one.rule == id);
        let seen = |entry: &Entry| level == Level::Client || entry.is_visible_to(&self.client.namespace);
        if entries.iter().filter(holds).any(seen) {
            return None;
        }
        let primary = entries.iter().find(holds)?.primary()?;
        Some(self.mesh.rules.get(primary)?.object.id.path())
    }

    fn host_mismatch(&self, rule: &Rule) -> Verdict {
        let host = rule.body().map(|body| Arc::clone(&body.host)).unwrap_or_default();
        if *host == *rule.host {
            return because(Outcome::HostMismatch, format!("host {host} is not {}", self.service.host));
        }
        let reason = format!(
            "short host {host} in namespace {} means {}, not {}",
            rule.object.id.namespace, rule.host, self.service.host
        );
        because(Outcome::HostMismatch, reason).would_win_if(format!("its host were {}", self.service.host))
    }

    fn not_exported(&self, rule: &Rule) -> Verdict {
        if rule.selector.is_some() {
            let reason = format!(
                "a rule with a workloadSelector is private to its namespace {}",
                rule.object.id.namespace
            );
            return because(Outcome::NotExported, reason);
        }
        let version = &self.mesh.config.version;
        if !version.at_least(1, 7) && rule.body().is_some_and(|body| body.export_to.len() > 1) {
            let reason =
                format!("Istio {} looks at the first element of exportTo only, which is .", version.value);
            return because(Outcome::NotExported, reason).would_win_if("exportTo began with *");
        }
        let list: Vec<_> = rule.exports.iter().map(|export| &**export).collect();
        let reason = if list.is_empty() {
            "the mesh configuration keeps rules without exportTo in their own namespace".to_owned()
        } else {
            format!("exportTo [{}] does not name {}", list.join(", "), self.client.namespace)
        };
        because(Outcome::NotExported, reason)
            .would_win_if(format!("exportTo named {}", self.client.namespace))
    }

    fn shadowed(&self, found: &Found<'_>) -> Verdict {
        let winner = self.chosen.or_else(|| found.entries().next());
        let winner = winner.and_then(Entry::primary).and_then(|id| self.mesh.rules.get(id));
        let name = winner.map(|rule| rule.object.id.path()).unwrap_or_default();
        let mut reason = format!("{name} in {} matches first", found.level.place());
        if self.chosen.is_none() {
            reason.push_str(if self.ignores_selectors() {
                ", though a waypoint takes no notice of rules with a workloadSelector"
            } else {
                ", though its selector does not select the client"
            });
        }
        because(Outcome::Shadowed, reason).would_win_if(format!("{name} were not there"))
    }

    /// The rule's host answered: where does it stand in the list of that host?
    fn in_list(&self, id: RuleId, rule: &Rule, found: &Found<'_>) -> Verdict {
        let part = |entry: &Entry| entry.contributors.iter().position(|one| one.rule == id);
        if let Some(chosen) = self.chosen {
            match part(chosen) {
                Some(0) => return because(Outcome::Used, format!("first match, in {}", found.level.place())),
                Some(_) => return self.merged(id, chosen),
                None => {}
            }
        }
        let selects = rule.selector.as_ref();
        if selects.is_some() && self.ignores_selectors() {
            let reason = "a waypoint takes no notice of rules with a workloadSelector";
            return because(Outcome::SelectorMismatch, reason);
        }
        if selects.is_some_and(|selector| !selector.is_subset_of(&self.client.labels)) {
            return because(Outcome::SelectorMismatch, "its workloadSelector does not select this client");
        }
        let winner = self.chosen.and_then(Entry::primary);
        let name = winner
            .and_then(|id| self.mesh.rules.get(id))
            .map(|rule| rule.object.id.path())
            .unwrap_or_default();
        if self.chosen.is_some_and(Entry::has_selector) && selects.is_none() {
            return because(Outcome::SelectorPreferred, format!("{name} selects this client by its labels"));
        }
        if !found.entries().any(|entry| part(entry) == Some(0)) {
            return because(Outcome::MergedNotUsed, "it was merged into a rule that is not chosen");
        }
        let differ = if selects.is_some() { "workloadSelector" } else { "exportTo" };
        let (outcome, age) = match winner {
            Some(winner) if winner < id => (Outcome::Newer, "older"),
            Some(_) | None => (Outcome::Older, "newer"),
        };
        because(outcome, format!("{name} is {age}, and the two do not merge: their {differ} differ"))
    }

    /// DR-6.10.
    fn ignores_selectors(&self) -> bool {
        self.client.proxy == ProxyKind::Waypoint
    }

    fn merged(&self, id: RuleId, chosen: &Entry) -> Verdict {
        let Some(one) = chosen.contributors.iter().find(|one| one.rule == id) else {
            return because(Outcome::Merged, "merged");
        };
        let primary = chosen.primary().and_then(|id| self.mesh.rules.get(id));
        let name = primary.map(|rule| rule.object.id.path()).unwrap_or_default();
        let mut gives: Vec<String> = one.subsets.iter().map(|subset| format!("subset {subset}")).collect();
        if one.gives_policy {
            gives.insert(0, "its traffic policy".to_owned());
        }
        let gives = if gives.is_empty() { "nothing".to_owned() } else { gives.join(", ") };
        because(Outcome::Merged, format!("merged into {name}, which is older: gives {gives}"))
    }
}
