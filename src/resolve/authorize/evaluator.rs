//! The policies that are for one workload, compiled once for all requests to it.

use std::sync::Arc;

use super::attach::{By, Scope, Subject, WhyNot};
use super::decision::{Decision, Outcome, Passing};
use super::envoy::{Envoy, Setting, Settled};
use super::request::Request;
use super::rule::Rule;
use super::ztunnel::{NONE_ALLOWED, Ztunnel};
use crate::model::authorization_policy::Action;
use crate::model::{Body, Object};
use crate::resolve::ambient::policies::AmbientPolicies;
use crate::resolve::config::Ages;

/// What a proxy reads on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// Connections.
    Tcp,
}

/// A policy that is for a workload.
pub type InForce = (Arc<Object>, By);

/// The policies of a workload.
#[derive(Debug, Clone)]
pub struct Policies {
    /// The workload.
    pub subject: Subject,
    /// Those that are for it, in the order in which they were given.
    pub in_force: Vec<InForce>,
    /// Those that are not, and why. Of other namespaces none is kept.
    pub others: Vec<(Arc<Object>, WhyNot)>,
    /// The policies about tokens that are for it.
    pub tokens: Vec<Arc<Object>>,
    /// What may be for it and is not understood, in words.
    pub not_understood: Vec<String>,
}

impl Policies {
    /// Chooses those that are for a workload, out of those of the namespaces that are looked at or of more.
    pub fn choose<'a>(subject: Subject, objects: impl IntoIterator<Item = &'a Arc<Object>>) -> Self {
        let mut all = Self {
            subject,
            in_force: Vec::new(),
            others: Vec::new(),
            tokens: Vec::new(),
            not_understood: Vec::new(),
        };
        for object in objects {
            all.add(object);
        }
        // istiod takes those of the root namespace first, then the oldest.
        let root = Arc::clone(&all.subject.root_namespace);
        all.tokens
            .sort_by_cached_key(|object| (object.id.namespace != root, Ages::MissingIsOldest.place(object)));
        all
    }

    fn add(&mut self, object: &Arc<Object>) {
        let namespace = &*object.id.namespace;
        if let Some(policy) = object.body.authorization_policy() {
            let (selector, has_selector) = (&policy.selector, policy.has_selector);
            let scope = Scope { namespace, selector, has_selector, targets: &policy.targets };
            match (self.subject.takes(scope), &policy.action) {
                (Ok(_), Action::Other(word)) => {
                    let text = format!("AuthorizationPolicy {} has the action {word}", object.id.path());
                    self.not_understood.push(text);
                }
                (Ok(by), _) => self.in_force.push((Arc::clone(object), by)),
                (Err(WhyNot::OtherNamespace), _) => {}
                (Err(why), _) => self.others.push((Arc::clone(object), why)),
            }
        } else if let Some(policy) = object.body.request_authentication() {
            let selector = &policy.selector;
            let scope =
                Scope { namespace, selector, has_selector: !selector.is_empty(), targets: &policy.targets };
            if self.subject.takes(scope).is_ok() {
                self.tokens.push(Arc::clone(object));
            }
        } else if object.body == Body::Unreadable && self.may_be_for(namespace) {
            let note = object.notes.first().map(|note| format!(": {} {}", note.field, note.problem));
            let text = format!("{} cannot be read{}", object.id, note.unwrap_or_default());
            self.not_understood.push(text);
        }
    }

    fn may_be_for(&self, namespace: &str) -> bool {
        let service = self.subject.service.as_ref().map(|service| &*service.namespace);
        [Some(&*self.subject.root_namespace), Some(&*self.subject.namespace), service]
            .contains(&Some(namespace))
    }
}

/// What a name that a proxy wrote is of.
#[derive(Debug, Clone, Copy)]
pub enum RuleNamed<'a> {
    /// This rule.
    Rule(&'a Rule),
    /// A rule of that policy; which one is not known.
    OneOfSeveral,
    /// No rule that is in force.
    NotInForce,
}

/// The policies of a workload, ready to be held against requests.
#[derive(Debug, Clone)]
pub struct Evaluator {
    /// The policies.
    pub policies: Policies,
    compiled: Compiled,
}

#[derive(Debug, Clone)]
enum Compiled {
    Envoy { http: Box<Envoy>, tcp: Box<Envoy> },
    Ztunnel { converted: Ztunnel, strict: Arc<AmbientPolicies> },
}

impl Evaluator {
    /// That of a workload with an Envoy.
    pub fn envoy(policies: Policies, setting: &Setting) -> Self {
        let objects: Vec<_> = policies.in_force.iter().map(|(object, _)| Arc::clone(object)).collect();
        let compile = |is_tcp| Box::new(Envoy::new(setting, &objects, &policies.tokens, is_tcp));
        let compiled = Compiled::Envoy { http: compile(false), tcp: compile(true) };
        Self { policies, compiled }
    }

    /// That of a workload whose connections ztunnel takes, with the policies about mutual TLS that it was given.
    pub fn ztunnel(policies: Policies, strict: Arc<AmbientPolicies>) -> Self {
        let converted = Ztunnel::new(&policies.in_force);
        Self { policies, compiled: Compiled::Ztunnel { converted, strict } }
    }

    /// The same with what is known of its rules from what a proxy did. Where tokens are known to have been taken, what
    /// is in them is as unknown as before.
    #[must_use]
    pub fn knowing(&self, settled: Settled<'_>, tokens_are_taken: bool) -> Self {
        let mut known = self.clone();
        match &mut known.compiled {
            Compiled::Envoy { http, tcp } => {
                http.settle(settled, tokens_are_taken);
                tcp.settle(settled, tokens_are_taken);
            }
            Compiled::Ztunnel { converted, .. } => converted.settle(settled),
        }
        known
    }

    /// The rules in the order of evaluation, each with its action and whether it is only tried.
    pub fn rules(&self, protocol: Protocol) -> Vec<(Action, bool, &Rule)> {
        match (&self.compiled, protocol) {
            (Compiled::Envoy { http, .. }, Protocol::Http) => http.rules().collect(),
            (Compiled::Envoy { tcp, .. }, Protocol::Tcp) => tcp.rules().collect(),
            (Compiled::Ztunnel { converted, .. }, _) => converted.rules().collect(),
        }
    }

    /// What let a request in of which it is known that it got in: a log line says so. `None` where policies that are
    /// not understood may have, or the setting for paths is not known.
    pub fn passing(&self, protocol: Protocol, request: &Request) -> Option<Passing<'_>> {
        if !self.policies.not_understood.is_empty() {
            return None;
        }
        match (&self.compiled, protocol) {
            (Compiled::Envoy { http, .. }, Protocol::Http) => http.passing(request),
            (Compiled::Envoy { tcp, .. }, Protocol::Tcp) => tcp.passing(request),
            (Compiled::Ztunnel { converted, .. }, _) => Some(converted.passing(request)),
        }
    }

    /// The rules that surely fit a request and refuse nothing, of the stages up to DENY or up to ALLOW.
    pub fn marked(&self, protocol: Protocol, request: &Request, up_to_allow: bool) -> Vec<&Rule> {
        match (&self.compiled, protocol) {
            (Compiled::Envoy { http, .. }, Protocol::Http) => http.marked(request, up_to_allow),
            (Compiled::Envoy { tcp, .. }, Protocol::Tcp) => tcp.marked(request, up_to_allow),
            (Compiled::Ztunnel { .. }, _) => Vec::new(),
        }
    }

    /// The rules for which an external authorizer may have been asked about a request.
    pub fn asking(&self, protocol: Protocol, request: &Request) -> Vec<&Rule> {
        match (&self.compiled, protocol) {
            (Compiled::Envoy { http, .. }, Protocol::Http) => http.asking(request),
            (Compiled::Envoy { tcp, .. }, Protocol::Tcp) => tcp.asking(request),
            (Compiled::Ztunnel { .. }, _) => Vec::new(),
        }
    }

    /// The rule that a proxy names. ztunnel names policies and no rules: of several rules it is the one that decides.
    pub fn rule_named(&self, protocol: Protocol, request: &Request, name: &str) -> RuleNamed<'_> {
        let rules = self.rules(protocol).into_iter().map(|(_, _, rule)| rule);
        let mut named: Vec<&Rule> = rules.filter(|rule| rule.name == name).collect();
        if named.len() > 1 {
            let by = self.decide(protocol, request).rule;
            named.retain(|rule| by.as_ref().is_some_and(|(policy, index)| rule.is(&policy.id, *index)));
            return named.first().map_or(RuleNamed::OneOfSeveral, |rule| RuleNamed::Rule(rule));
        }
        named.first().map_or(RuleNamed::NotInForce, |rule| RuleNamed::Rule(rule))
    }

    /// What becomes of a request.
    pub fn decide(&self, protocol: Protocol, request: &Request) -> Decision {
        let decision = match (&self.compiled, protocol) {
            (Compiled::Envoy { http, .. }, Protocol::Http) => http.decide(request),
            (Compiled::Envoy { tcp, .. }, Protocol::Tcp) => tcp.decide(request),
            (Compiled::Ztunnel { converted, strict }, _) => self.of_ztunnel(converted, strict, request),
        };
        self.understood(decision)
    }

    fn of_ztunnel(&self, converted: &Ztunnel, strict: &AmbientPolicies, request: &Request) -> Decision {
        let Subject { namespace, labels, .. } = &self.policies.subject;
        match strict.refusing_plaintext(namespace, labels, request.port) {
            Ok(name) => converted.decide(request, name.as_deref()),
            Err(word) => {
                // It is about plaintext, and only what a rule refuses comes before it.
                let mut decision = converted.decide(request, None);
                if request.peer.is_authenticated()
                    || decision.rule.is_some() && decision.outcome == Outcome::Deny
                {
                    return decision;
                }
                // Without it no ALLOW rule matches either: refused is refused.
                if decision.outcome != Outcome::Deny {
                    (decision.outcome, decision.status) = (Outcome::Unknown, None);
                    (decision.decided_by, decision.rule) = (None, None);
                }
                decision.missing.insert(word);
                decision
            }
        }
    }

    /// What is not understood may decide, unless a rule that refuses has been found.
    fn understood(&self, mut decision: Decision) -> Decision {
        let is_settled = decision.outcome == Outcome::Deny
            && ![Some("none"), Some(NONE_ALLOWED)].contains(&decision.decided_by.as_deref());
        if !is_settled && !self.policies.not_understood.is_empty() {
            (decision.outcome, decision.decided_by, decision.rule) = (Outcome::Unknown, None, None);
            decision.status = None;
            decision.missing.extend(self.policies.not_understood.iter().cloned());
        }
        decision
    }
}
