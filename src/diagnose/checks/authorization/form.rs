//! What can be told of a policy by its form: MS0406 rules with negative fields only (P4), MS0408 hosts that miss the same
//! host with a port (H1), MS0410 path templates that Envoy refuses (H10), MS0414 `from` and `to` in rules of their own.

use super::{Policies, Policy, fields, named, place_of};
use crate::diagnose::catalog::Code;
use crate::diagnose::finding::{Evidence, Finding};
use crate::model::Kind;
use crate::model::Text;
use crate::model::authorization_policy::{AccessRule, Action, Values};
use crate::model::object::Body;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::authorize::template::{Read, Template, is_template};
use crate::resolve::{Mesh, Workload};

/// MS0408, MS0410 and MS0414 of a policy.
pub(super) fn check(policy: &Policy<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, rule) in policy.body.rules.iter().enumerate() {
        for (place, values) in fields(at, &rule.written) {
            match &*values.field {
                "hosts" | "notHosts" => findings.extend(hosts(policy, &place, values)),
                "paths" | "notPaths" => findings.extend(templates(policy, &place, values)),
                _ => {}
            }
        }
    }
    findings.extend(alternatives(policy));
    findings
}

/// Whether a host names a port, or may be one with any.
fn has_port(host: &str) -> bool {
    host.ends_with('*') || host.rsplit(']').next().is_some_and(|rest| rest.contains(':'))
}

fn hosts(policy: &Policy<'_>, place: &str, values: &Values) -> Option<Finding> {
    let lower: Vec<_> = values.values.iter().map(|value| value.to_ascii_lowercase()).collect();
    let mut with_port: Vec<&str> =
        lower.iter().filter(|host| has_port(host)).map(|host| host.trim_end_matches('*')).collect();
    with_port.sort_unstable();
    // An entry with any port of the host, or one that begins as it does: somebody has thought of ports.
    let is_covered = |host: &str| {
        let text = format!("{host}:");
        let at = with_port.partition_point(|one| *one < text.as_str());
        let more = with_port.get(at).is_some_and(|one| one.starts_with(&text));
        more || text.char_indices().any(|(end, _)| {
            text.get(..end)
                .is_some_and(|start| with_port.binary_search(&start).is_ok() && is_open(&lower, start))
        })
    };
    let missed = values
        .values
        .iter()
        .zip(&lower)
        .find(|(_, host)| !host.is_empty() && !has_port(host) && !is_covered(host));
    let (host, _) = missed?;
    let effect = if &*values.field == "hosts" { "does not match" } else { "does not leave out" };
    let how = if host.starts_with('*') { "name the ports" } else { "a second value with :* does" };
    let message = format!(
        "{} ({place}) {effect} {host} with a port: the Host header is compared with its port, as in {host}:8080; {how}",
        policy.object.id
    );
    Some(Finding::of_field(
        Code::HostWithPort,
        policy.object,
        place,
        "no value has the host with a port",
        message,
    ))
}

/// Whether a text is there with a star behind it.
fn is_open(values: &[String], start: &str) -> bool {
    values.iter().any(|value| value.strip_suffix('*') == Some(start))
}

/// What of a template is such that Envoy refuses the listener.
fn refused(value: &str) -> Option<&'static str> {
    if !is_template(value) || Template::read(value) != Read::Refused {
        None
    } else if !value.starts_with('/') {
        Some("does not begin with a slash")
    } else if value.starts_with("//") {
        Some("begins with more than one slash")
    } else {
        Some("ends with more than one slash")
    }
}

fn templates(policy: &Policy<'_>, place: &str, values: &Values) -> Option<Finding> {
    // A ztunnel is not sent it, and has no listener to lose.
    if !policy.pods.is_empty() && policy.pods.iter().all(|(_, pod)| pod.proxy == ProxyKind::Ztunnel) {
        return None;
    }
    let why = |value: &Text| refused(value).map(|why| (value.clone(), why));
    let (value, why) = values.values.iter().find_map(why)?;
    let message = format!(
        "{} ({place}) has the template {value:?}, which {why}: Envoy refuses the listener, keeps the configuration that \
         it had, and does not start with this one",
        policy.object.id
    );
    Some(Finding::of_field(Code::TemplateEnvoyRefuses, policy.object, place, why, message))
}

/// MS0414: one rule says who, and another says what.
fn alternatives(policy: &Policy<'_>) -> Option<Finding> {
    if policy.body.action != Action::Allow {
        return None;
    }
    // A part that says nothing is none.
    let says = |parts: &[Vec<Values>]| parts.iter().any(|part| !part.is_empty());
    let is = |rule: &AccessRule, from: bool, to: bool| {
        let written = &rule.written;
        written.when.is_empty() && says(&written.from) == from && says(&written.to) == to
    };
    let place = |from: bool| policy.body.rules.iter().position(|rule| is(rule, from, !from));
    let (from, to) = (place(true)?, place(false)?);
    let message = format!(
        "{}: spec.rules[{from}] has only from and spec.rules[{to}] has only to: rules are alternatives, so that the \
         first lets its callers in with any request, and the second lets any caller in; for both at once they have to \
         be one rule, without the dash before the second{}",
        policy.object.id,
        policy.tried()
    );
    let field = format!("spec.rules[{}]", from.max(to));
    let code = Code::FromAndToInSeparateRules;
    let mut finding = Finding::of_field(code, policy.object, &field, "an alternative of its own", message);
    let other = format!("spec.rules[{}]", from.min(to));
    finding.evidence.push(Evidence::of_field(policy.object, &other, "an alternative of its own"));
    Some(finding)
}

/// MS0406.
pub(super) fn negative_only(policies: &Policies<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in policies.all.iter().filter(|policy| policy.is_enforced(&Action::Allow)) {
        for (at, rule) in policy.body.rules.iter().enumerate() {
            let Some((place, absent)) = only_negative(at, rule) else { continue };
            let has_none = |one: &&(usize, &Workload)| match absent {
                Absent::Token => one.1.proxy != ProxyKind::Ztunnel,
                Absent::Identity => takes_plaintext(policies, one.0, one.1),
            };
            let plain: Vec<_> = policy.pods.iter().filter(has_none).map(|(_, pod)| *pod).collect();
            if plain.is_empty() {
                continue;
            }
            let message = format!(
                "{} ({place}) says only whom it does not match, and so matches whoever has {} at all: {}; it is so at {}",
                policy.object.id,
                absent.what(),
                absent.who(),
                named(plain.into_iter())
            );
            let counted = "what is absent is in no list";
            findings.push(Finding::of_field(Code::NegativeOnlyRule, policy.object, &place, counted, message));
        }
    }
    findings
}

/// What a caller may not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Identity,
    Token,
}

impl Absent {
    fn of_field(field: &str) -> Option<Self> {
        match field {
            "notPrincipals" | "notNamespaces" | "notServiceAccounts" | "notTrustDomains" => {
                Some(Self::Identity)
            }
            "notRequestPrincipals" => Some(Self::Token),
            _ => None,
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        match key {
            "source.principal" | "source.namespace" | "source.serviceAccount" | "source.trustDomain" => {
                Some(Self::Identity)
            }
            token if token.starts_with("request.auth.") => Some(Self::Token),
            _ => None,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Identity => "no identity",
            Self::Token => "no token",
        }
    }

    fn who(self) -> &'static str {
        match self {
            Self::Identity => "callers in plaintext",
            Self::Token => "requests without one",
        }
    }
}

/// The first place of a rule that says of callers only who they are not, and that who has nothing of the kind meets. A
/// list with `*` says that nothing of the kind may be there, and means it.
fn only_negative(at: usize, rule: &AccessRule) -> Option<(String, Absent)> {
    let written = &rule.written;
    let is_of_caller =
        |key: &str| key.starts_with("source.") || key == "remote.ip" || key.starts_with("request.auth.");
    let conditions = || written.when.iter().enumerate().filter(|(_, one)| is_of_caller(&one.key));
    if conditions().any(|(_, one)| !one.values.is_empty()) {
        return None;
    }
    let some = |values: &[Text]| values.iter().any(|value| &**value != "*");
    let of_source = |(from, source): (usize, &Vec<Values>)| {
        let negative = source.iter().all(|one| one.field.starts_with("not"));
        let mut lists = source.iter().filter(|one| negative && some(&one.values));
        lists.find_map(|one| {
            let place = format!("spec.rules[{at}].from[{from}].source.{}", one.field);
            Some((place, Absent::of_field(&one.field)?))
        })
    };
    let by_condition = || {
        conditions()
            .filter(|(_, one)| some(&one.not_values))
            .find_map(|(number, one)| Some((place_of(at, number, one), Absent::of_key(&one.key)?)))
    };
    let by_source = written.from.iter().enumerate().find_map(of_source);
    let has_positive = written.from.iter().flatten().any(|one| !one.field.starts_with("not"));
    by_source.or_else(|| by_condition().filter(|_| !has_positive))
}

/// Whether somebody without an identity can come as far as a workload's policies. Where it cannot be told, not.
fn takes_plaintext(policies: &Policies<'_>, at: usize, pod: &Workload) -> bool {
    let mesh = policies.mesh;
    if unreadable_policies(mesh) || pod.unclear.is_some() {
        return false;
    }
    // Zero stands for all that no Service leads to.
    let mut ports = policies.ports.of(at).map(|(port, _)| port).chain([0]);
    let own = mesh.of_client(pod);
    let is_strict = |port: &u16| match pod.proxy {
        ProxyKind::Sidecar => {
            own.policies.on_port(&pod.namespace, &pod.labels, *port).mode == MtlsMode::Strict
        }
        ProxyKind::Ztunnel => {
            own.ambient_policies.on_port(&pod.namespace, &pod.labels, *port).demand.mode == MtlsMode::Strict
        }
        ProxyKind::Gateway => false,
        ProxyKind::Waypoint | ProxyKind::None => true,
    };
    !ports.all(|port| is_strict(&port))
}

fn unreadable_policies(mesh: &Mesh) -> bool {
    let kind = Kind::PeerAuthentication;
    mesh.options.unread.contains_key(&kind)
        || mesh.snapshot.of_kind(&kind).any(|object| object.body == Body::Unreadable)
}
