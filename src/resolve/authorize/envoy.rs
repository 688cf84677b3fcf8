//! The policies of a workload as its Envoy has them: stages, in the order in which they decide (O1 to O11, T1 to T4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decision::{self, Decision, DryRun, Found, Outcome, Passing, surely};
use super::path::Normalization;
use super::request::{Request, Seen, remote_at_gateway, remote_at_sidecar};
use super::rule::{Compiler, Rule, name};
use super::token::{self, Taken};
use super::truth::Truth;
use crate::model::Object;
use crate::model::authorization_policy::{Action, AuthorizationPolicy};
use crate::model::request_authentication::RequestAuthentication;

/// An external authorizer of the mesh configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Whether it speaks HTTP, and no gRPC (T4).
    pub is_http: bool,
    /// Whether it agrees; `None` where nobody knows beforehand.
    pub answer: Option<bool>,
}

/// How a proxy tells the address of the client (I8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// As a sidecar does.
    Sidecar,
    /// As a gateway that trusts so many hops does.
    Gateway(usize),
}

/// The settings that decide about requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The mesh's trust domain and its aliases (I6).
    pub trust_domains: Vec<String>,
    /// The normalisation of paths (H6); `None` where the mesh configuration has a word for it that nobody knows.
    pub normalization: Option<Normalization>,
    /// The authorizers, by name.
    pub providers: BTreeMap<String, Provider>,
    /// `PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS` (O9).
    pub several_providers: bool,
    /// How the client's address is told.
    pub remote: Remote,
}

/// Rules of one provider.
#[derive(Debug, Clone)]
struct Authorizer {
    provider: String,
    /// Rules that refuse by themselves (O8, O9).
    refusing: Vec<Rule>,
    /// Rules for which it is asked.
    asking: Vec<Rule>,
    answer: Option<bool>,
}

/// The policies of one action, enforced or tried.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The rules in the order in which Envoy tries them (O10).
    pub rules: Vec<Rule>,
    /// Whether there is any policy, be it without rules.
    pub are_there: bool,
}

/// The compiled policies of a workload, for ports with HTTP or for those without.
#[derive(Debug, Clone)]
pub struct Envoy {
    setting: Setting,
    is_tcp: bool,
    custom: Vec<Authorizer>,
    tokens: Vec<Arc<Object>>,
    /// Whether it is known that the token, which nobody knows, was taken.
    tokens_are_taken: bool,
    /// AUDIT: it marks, and decides nothing (O3).
    pub audit: Rules,
    /// DENY.
    pub deny: Rules,
    /// ALLOW.
    pub allow: Rules,
    /// DENY that is only tried.
    pub tried_deny: Rules,
    /// ALLOW that is only tried.
    pub tried_allow: Rules,
}

/// Whether a rule fits, where that is known from what a proxy did.
pub type Settled<'a> = &'a dyn Fn(&Action, &Rule) -> Option<Truth>;

/// What a stage comes to.
enum Stage {
    Passed,
    Refused,
    Open,
}

impl Envoy {
    /// Compiles the policies that are for a workload, of both kinds.
    pub fn new(setting: &Setting, policies: &[Arc<Object>], tokens: &[Arc<Object>], is_tcp: bool) -> Self {
        let compiler = Compiler { trust_domains: &setting.trust_domains, is_tcp };
        let of = |action: &Action, is_dry_run: bool| {
            let mut rules = Rules::default();
            for (object, policy) in bodies(policies) {
                if policy.action == *action && policy.is_dry_run == is_dry_run {
                    rules.are_there = true;
                    rules.rules.extend(compiled(compiler, object, policy));
                }
            }
            rules.rules.sort_by(|one, other| one.name.cmp(&other.name));
            rules
        };
        Self {
            setting: setting.clone(),
            is_tcp,
            custom: authorizers(setting, compiler, policies),
            tokens: tokens.to_vec(),
            tokens_are_taken: false,
            audit: of(&Action::Audit, false),
            deny: of(&Action::Deny, false),
            allow: of(&Action::Allow, false),
            tried_deny: of(&Action::Deny, true),
            tried_allow: of(&Action::Allow, true),
        }
    }

    /// All enforced and tried rules in the order of evaluation, each with its action and whether it is only tried.
    pub fn rules(&self) -> impl Iterator<Item = (Action, bool, &Rule)> {
        let custom = self.custom.iter().flat_map(|one| one.refusing.iter().chain(&one.asking));
        let stages = [
            (&self.audit, Action::Audit, false),
            (&self.tried_deny, Action::Deny, true),
            (&self.deny, Action::Deny, false),
            (&self.tried_allow, Action::Allow, true),
            (&self.allow, Action::Allow, false),
        ];
        let stages = stages.into_iter().flat_map(|(rules, action, is_dry_run)| {
            rules.rules.iter().map(move |rule| (action.clone(), is_dry_run, rule))
        });
        custom.map(|rule| (Action::Custom, false, rule)).chain(stages)
    }

    /// Takes over what is known of rules from what a proxy did, by action and rule.
    pub(super) fn settle(&mut self, settled: Settled<'_>, tokens_are_taken: bool) {
        let rules = [(&mut self.deny, Action::Deny), (&mut self.allow, Action::Allow)];
        for (rules, action) in rules {
            for rule in &mut rules.rules {
                rule.settled = settled(&action, rule);
            }
        }
        for rule in self.custom.iter_mut().flat_map(|one| one.refusing.iter_mut().chain(&mut one.asking)) {
            rule.settled = settled(&Action::Custom, rule);
        }
        self.tokens_are_taken = tokens_are_taken;
    }

    /// What becomes of a request (O11).
    pub fn decide(&self, request: &Request) -> Decision {
        let mut decision = Decision::open();
        let Some(normalization) = self.normalization(request) else {
            decision.missing.insert("meshConfig.pathNormalization".to_owned());
            return decision;
        };
        if let Some(path) = request
            .path
            .as_deref()
            .filter(|path| !self.is_tcp && !request.is_normalized && normalization.refuses(path))
        {
            let by = if path.is_ascii() { "path_normalization_failed" } else { "http1.codec_error" };
            self.refuse(&mut decision, request, by.to_owned(), 400);
            return decision;
        }
        let mut seen = self.see(request, normalization);
        let mut is_open = false;
        for stage in 0..4 {
            let result = match stage {
                0 => self.authorizers(&seen, &mut decision),
                1 => self.tokens(&mut seen, &mut decision),
                2 => self.denied(&seen, &mut decision),
                _ => self.allowed(&seen, &mut decision),
            };
            match result {
                Stage::Passed => {}
                Stage::Open => is_open = true,
                Stage::Refused => return decision,
            }
        }
        if is_open {
            (decision.outcome, decision.decided_by, decision.rule) = (Outcome::Unknown, None, None);
            decision.status = None;
        } else {
            decision.missing.clear();
            decision.outcome = Outcome::Allow;
            decision.status = self.is_tcp.then_some(0);
        }
        decision
    }

    /// The request as this proxy sees it, before tokens are looked at: there are no claims yet.
    fn see<'r>(&self, request: &'r Request, normalization: Normalization) -> Seen<'r> {
        let remote = request.remote_ip.or_else(|| match (self.is_tcp, self.setting.remote) {
            (true, _) => request.source_ip,
            (false, Remote::Sidecar) => remote_at_sidecar(request),
            (false, Remote::Gateway(hops)) => remote_at_gateway(request, hops),
        });
        Seen { claims: Ok(None), ..Seen::new(request, normalization, remote) }
    }

    /// What becomes of a path; `None` where that decides and is not known.
    fn normalization(&self, request: &Request) -> Option<Normalization> {
        let is_untouched = self.is_tcp || request.is_normalized;
        self.setting.normalization.or(is_untouched.then_some(Normalization::None))
    }

    /// The request as the stages behind tokens see it.
    fn after_tokens<'r>(&self, before: &Seen<'r>) -> Seen<'r> {
        if self.is_tcp {
            return before.clone();
        }
        match token::take(&self.token_policies(), before.request) {
            Taken::On { claims, authorization } => {
                Seen { claims: Ok(claims), authorization, ..before.clone() }
            }
            Taken::Refused { .. } | Taken::Unknown => Seen { claims: Err(()), ..before.clone() },
        }
    }

    /// What let a request in of which it is known that it was. `None` where the setting for paths is not known.
    pub fn passing(&self, request: &Request) -> Option<Passing<'_>> {
        let before = self.see(request, self.normalization(request)?);
        let seen = self.after_tokens(&before);
        let refusing = self.custom.iter().find_map(|one| surely(&one.refusing, &before));
        let refusing = refusing.or_else(|| surely(&self.deny.rules, &seen));
        let marked = self.marked_in(&before, &seen, true);
        Some(Passing::of(refusing, &self.allow.rules, self.allow.are_there, marked, &seen))
    }

    /// The rules that surely fit a request and refuse nothing, of the stages up to DENY or up to ALLOW.
    pub fn marked(&self, request: &Request, up_to_allow: bool) -> Vec<&Rule> {
        let Some(normalization) = self.normalization(request) else { return Vec::new() };
        let before = self.see(request, normalization);
        self.marked_in(&before, &self.after_tokens(&before), up_to_allow)
    }

    /// The same of a request before tokens and behind them.
    fn marked_in(&self, before: &Seen<'_>, seen: &Seen<'_>, up_to_allow: bool) -> Vec<&Rule> {
        let stages =
            [Some(&self.audit), Some(&self.tried_deny), Some(&self.tried_allow).filter(|_| up_to_allow)];
        let marked = stages.into_iter().flatten().filter_map(|rules| surely(&rules.rules, seen));
        marked.chain(self.custom.iter().filter_map(|one| surely(&one.asking, before))).collect()
    }

    /// The rules for which an external authorizer may have been asked.
    pub fn asking(&self, request: &Request) -> Vec<&Rule> {
        let rules = self.custom.iter().flat_map(|one| &one.asking);
        let Some(normalization) = self.normalization(request) else { return rules.collect() };
        let seen = self.see(request, normalization);
        rules.filter(|rule| rule.fits(&seen) != Truth::No).collect()
    }

    fn token_policies(&self) -> Vec<&RequestAuthentication> {
        self.tokens.iter().filter_map(|object| object.body.request_authentication()).collect()
    }

    fn refuse(&self, decision: &mut Decision, request: &Request, by: String, status: u16) {
        decision.outcome = Outcome::Deny;
        decision.decided_by = Some(by);
        decision.status = Some(match (self.is_tcp, is_grpc(request)) {
            (true, _) => 0,
            (false, true) => 200,
            (false, false) => status,
        });
    }

    fn refuse_by(&self, decision: &mut Decision, seen: &Seen<'_>, rule: &Rule) {
        self.refuse(decision, seen.request, rule.name.clone(), 403);
        decision.rule = Some((Arc::clone(&rule.policy), rule.index));
    }

    fn authorizers(&self, seen: &Seen<'_>, decision: &mut Decision) -> Stage {
        let mut stage = Stage::Passed;
        for authorizer in &self.custom {
            decision.steps.extend(decision::steps(&authorizer.refusing, &Action::Custom, false, seen));
            match decision::first(&authorizer.refusing, seen) {
                Found::Rule(rule) => {
                    self.refuse_by(decision, seen, rule);
                    return Stage::Refused;
                }
                Found::Unknown => {
                    decision.missing.extend(decision::missing(&authorizer.refusing, seen));
                    stage = Stage::Open;
                }
                Found::None => {}
            }
            decision.steps.extend(decision::steps(&authorizer.asking, &Action::Custom, false, seen));
            match (decision::first(&authorizer.asking, seen), authorizer.answer) {
                (Found::None, _) | (Found::Rule(_) | Found::Unknown, Some(true)) => {}
                (Found::Rule(_), Some(false)) => {
                    self.refuse(decision, seen.request, format!("ext_authz:{}", authorizer.provider), 403);
                    return Stage::Refused;
                }
                (Found::Rule(_), None) => {
                    decision
                        .missing
                        .insert(format!("the answer of the external authorizer {}", authorizer.provider));
                    stage = Stage::Open;
                }
                (Found::Unknown, Some(false) | None) => {
                    decision.missing.extend(decision::missing(&authorizer.asking, seen));
                    stage = Stage::Open;
                }
            }
        }
        stage
    }

    fn tokens(&self, seen: &mut Seen<'_>, decision: &mut Decision) -> Stage {
        if self.is_tcp {
            return Stage::Passed;
        }
        match token::take(&self.token_policies(), seen.request) {
            Taken::On { claims, authorization } => {
                (seen.claims, seen.authorization) = (Ok(claims), authorization);
                Stage::Passed
            }
            Taken::Refused { status, .. } => {
                self.refuse(decision, seen.request, "jwt_authn".to_owned(), status);
                Stage::Refused
            }
            Taken::Unknown if self.tokens_are_taken => {
                seen.claims = Err(());
                Stage::Passed
            }
            Taken::Unknown => {
                seen.claims = Err(());
                decision.missing.insert("token".to_owned());
                Stage::Open
            }
        }
    }

    fn denied(&self, seen: &Seen<'_>, decision: &mut Decision) -> Stage {
        decision.steps.extend(decision::steps(&self.audit.rules, &Action::Audit, false, seen));
        tried(&self.tried_deny, &Action::Deny, seen, decision);
        decision.steps.extend(decision::steps(&self.deny.rules, &Action::Deny, false, seen));
        match decision::first(&self.deny.rules, seen) {
            Found::None => Stage::Passed,
            Found::Unknown => {
                decision.missing.extend(decision::missing(&self.deny.rules, seen));
                Stage::Open
            }
            Found::Rule(rule) => {
                self.refuse_by(decision, seen, rule);
                Stage::Refused
            }
        }
    }

    fn allowed(&self, seen: &Seen<'_>, decision: &mut Decision) -> Stage {
        tried(&self.tried_allow, &Action::Allow, seen, decision);
        if !self.allow.are_there {
            return Stage::Passed;
        }
        decision.steps.extend(decision::steps(&self.allow.rules, &Action::Allow, false, seen));
        match decision::first(&self.allow.rules, seen) {
            Found::Rule(rule) => {
                decision.decided_by = Some(rule.name.clone());
                decision.rule = Some((Arc::clone(&rule.policy), rule.index));
                Stage::Passed
            }
            Found::Unknown => {
                decision.missing.extend(decision::missing(&self.allow.rules, seen));
                decision.nearest = decision::nearest(&self.allow.rules, seen);
                Stage::Open
            }
            Found::None => {
                self.refuse(decision, seen.request, "none".to_owned(), 403);
                decision.nearest = decision::nearest(&self.allow.rules, seen);
                Stage::Refused
            }
        }
    }
}

/// What policies that are only tried would do (section 10).
fn tried(rules: &Rules, action: &Action, seen: &Seen<'_>, decision: &mut Decision) {
    if !rules.are_there {
        return;
    }
    decision.steps.extend(decision::steps(&rules.rules, action, true, seen));
    let is_allow = *action == Action::Allow;
    let (allows, rule) = match decision::first(&rules.rules, seen) {
        Found::Rule(rule) => (Some(is_allow), Some(rule.name.clone())),
        Found::None => (Some(!is_allow), None),
        Found::Unknown => (None, None),
    };
    decision.dry_run.push(DryRun { action: action.clone(), allows, rule });
}

fn bodies(policies: &[Arc<Object>]) -> impl Iterator<Item = (&Arc<Object>, &AuthorizationPolicy)> {
    policies.iter().filter_map(|object| Some((object, object.body.authorization_policy()?)))
}

fn compiled<'a>(
    compiler: Compiler<'a>,
    object: &'a Arc<Object>,
    policy: &'a AuthorizationPolicy,
) -> impl Iterator<Item = Rule> + 'a {
    let rules = policy.rules.iter().enumerate();
    rules.filter_map(move |(index, rule)| compiler.rule(object, index, &rule.written, &policy.action))
}

/// CUSTOM, provider by provider in the order of their names (O2, O8, O9).
fn authorizers(setting: &Setting, compiler: Compiler<'_>, policies: &[Arc<Object>]) -> Vec<Authorizer> {
    let custom = || bodies(policies).filter(|(_, policy)| policy.action == Action::Custom);
    let provider = |policy: &AuthorizationPolicy| policy.provider.clone().unwrap_or_default();
    let names: BTreeSet<String> = custom().map(|(_, policy)| provider(policy)).collect();
    let are_too_many = names.len() > 1 && !setting.several_providers;
    let mut all = Vec::new();
    for name_of in names {
        let known = setting.providers.get(&name_of).copied();
        let is_bad = are_too_many || known.is_none();
        // Without HTTP there is nothing to ask one about that speaks it (T4).
        if !is_bad && compiler.is_tcp && known.is_some_and(|provider| provider.is_http) {
            continue;
        }
        let (mut refusing, mut asking) = (Vec::new(), Vec::new());
        for (object, policy) in custom().filter(|(_, policy)| provider(policy) == name_of) {
            for mut rule in compiled(compiler, object, policy) {
                let suffix = if is_bad { "-deny-due-to-bad-CUSTOM-action" } else { "" };
                rule.name = format!("istio-ext-authz-{name_of}-{}{suffix}", name(object, rule.index));
                if is_bad || policy.is_dry_run { refusing.push(rule) } else { asking.push(rule) }
            }
        }
        refusing.sort_by(|one: &Rule, other| one.name.cmp(&other.name));
        asking.sort_by(|one: &Rule, other| one.name.cmp(&other.name));
        let answer = known.and_then(|provider| provider.answer);
        all.push(Authorizer { provider: name_of, refusing, asking, answer });
    }
    all
}

/// Whether the answer to a refused request is one of gRPC, whose status is 200 (L2).
fn is_grpc(request: &Request) -> bool {
    let types = request.headers.get("content-type").unwrap_or_default();
    types.iter().any(|one| {
        one.strip_prefix("application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    })
}
