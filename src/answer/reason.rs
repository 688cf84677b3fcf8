//! One sentence that says why a pair stands as it does.

use crate::model::destination_rule::TlsMode;
use crate::resolve::client_tls::{Downgrade, Sent, Source};
use crate::resolve::conflict::Server;
use crate::resolve::traffic_policy::Part;
use crate::resolve::{EndpointTls, Mesh, PairTls, Service, Status};

/// The sentence for a pair.
pub(super) fn of_pair(mesh: &Mesh, service: &Service, tls: &PairTls) -> String {
    if let Some(undecided) = &tls.undecided {
        return undecided.clone();
    }
    let client = client_side(mesh, service, tls);
    if tls.cluster.source == Source::Refused && tls.status == Status::Conflict {
        return format!("{} is not in the client's scope, and unknown hosts are refused", service.host);
    }
    match tls.status {
        Status::Unknown => {
            let needs: Vec<_> =
                tls.missing.iter().map(|missing| format!("{} {}", missing.kind, missing.need)).collect();
            format!("cannot be told: {}", needs.join("; "))
        }
        Status::Conflict if !tls.dropped.is_empty() && tls.endpoints.is_empty() => {
            let sent = tls.dropped.first().map_or("nothing", |endpoint| what_is_sent(endpoint.sent));
            format!(
                "the client would send {sent} ({client}), and every endpoint is on another network, whose gateway \
                 passes on Istio's mutual TLS to pods that speak it and nothing else: none is left"
            )
        }
        Status::Conflict if tls.endpoints.is_empty() => {
            let sent = tls.effective.map_or("nothing", what_is_sent);
            format!("the client sends {sent} ({client}), which no host outside the mesh takes")
        }
        Status::Conflict => {
            let failing: Vec<_> = tls.failing().collect();
            let server = failing.first().map(|endpoint| server_side(endpoint)).unwrap_or_default();
            let sent = failing.first().map_or("nothing", |endpoint| what_is_sent(endpoint.sent));
            let all = tls.reachable().count();
            let part = if failing.len() < all {
                format!(" at {} of {all} endpoints", failing.len())
            } else {
                String::new()
            };
            format!("the client sends {sent} ({client}), but{part} the server {server}")
        }
        Status::Cond => match tls.endpoints.iter().find(|endpoint| endpoint.result == Status::Cond) {
            Some(endpoint) => {
                format!("the client sends {} ({client}): {}", what_is_sent(endpoint.sent), endpoint.condition)
            }
            None if service.is_alias() => {
                format!("{} is an alias of another host: clients have no cluster for it", service.host)
            }
            None if tls.endpoints.is_empty() => {
                format!(
                    "{} has no endpoint on port {}: requests fail for that reason",
                    service.host, tls.port
                )
            }
            None => "no endpoint is ready".to_owned(),
        },
        Status::Warn => format!("works, but unencrypted: the server accepts plaintext too ({client})"),
        Status::Ok => match tls.effective {
            Some(Sent::Hbone { .. }) => {
                "the client sends through a tunnel (HBONE), which is mutual TLS".to_owned()
            }
            Some(Sent::IstioMutual) => format!("client and server agree on mutual TLS ({client})"),
            Some(Sent::Plaintext) => {
                format!("the client sends plaintext, and nothing better is accepted ({client})")
            }
            Some(_) | None => format!("each endpoint gets what it accepts ({client})"),
        },
    }
}

fn what_is_sent(sent: Sent) -> &'static str {
    match sent {
        Sent::Plaintext => "plaintext",
        Sent::Simple => "one-way TLS",
        Sent::Mutual => "TLS with a certificate of its own",
        Sent::IstioMutual => "Istio's mutual TLS",
        Sent::Hbone { tls_inside: false } => "a tunnel (HBONE)",
        Sent::Hbone { tls_inside: true } => "TLS inside a tunnel (HBONE)",
        Sent::Unknown => "what cannot be told",
    }
}

fn server_side(endpoint: &EndpointTls) -> String {
    let policy = endpoint
        .demand
        .as_ref()
        .and_then(|demand| Some((demand.policy.as_ref()?.id.to_string(), demand.level)));
    let by = policy.map(|(policy, level)| format!(" ({policy}, {} level)", level.word())).unwrap_or_default();
    match &endpoint.server {
        Server::Sidecar(_) | Server::PastProxy if !endpoint.condition.is_empty() => {
            format!("does not end it: {}", endpoint.condition)
        }
        Server::Sidecar(mode) => match mode.word() {
            "STRICT" => format!("accepts mutual TLS only{by}"),
            "DISABLE" => format!("takes plaintext only{by}"),
            _ => format!("does not take it{by}"),
        },
        Server::NoProxy if !endpoint.condition.is_empty() => format!("cannot end it: {}", endpoint.condition),
        Server::NoProxy => "has no proxy that could end it".to_owned(),
        Server::PastProxy => "keeps that port out of its proxy's sight, by an annotation".to_owned(),
        Server::Outside => "is outside the mesh and has no certificate of it".to_owned(),
        Server::Ambient(mode) => match mode.word() {
            "STRICT" => format!("is in ambient mode and lets in nobody without a mesh identity{by}"),
            _ => "is in ambient mode, whose ztunnel ends tunnels (HBONE) only".to_owned(),
        },
        Server::OwnListeners | Server::Unknown => "does not take it".to_owned(),
    }
}

/// Where the client's TLS comes from, in words.
pub(super) fn client_side(mesh: &Mesh, service: &Service, tls: &PairTls) -> String {
    let rule = tls
        .policy
        .tls_from
        .map(|(_, rule)| rule)
        .or_else(|| tls.choice.as_ref().map(|choice| choice.primary))
        .and_then(|rule| mesh.rules.get(rule))
        .map(|rule| rule.object.id.to_string())
        .unwrap_or_default();
    let why = |downgrade: &Downgrade| match downgrade {
        Downgrade::AutoMtlsOff => "automatic mTLS is switched off".to_owned(),
        Downgrade::PolicyDisables(demand) => match &demand.policy {
            Some(policy) => format!("automatic mTLS follows {}, which says DISABLE", policy.id),
            None => "automatic mTLS follows the default of before 1.5, which is no mTLS".to_owned(),
        },
        Downgrade::AllOrNothing => {
            let cause = if service.is_headless() {
                "the service is headless"
            } else {
                "its load balancing is PASSTHROUGH"
            };
            let none = service.endpoints(tls.port).is_empty();
            let lacks = if none { "it has no endpoint" } else { "not every endpoint of it can" };
            format!("automatic mTLS is all or nothing, since {cause}, and {lacks}")
        }
        Downgrade::EndpointMark(mode) => {
            format!("{rule} says {} above an entry without tls, which leaves plaintext", mode.word())
        }
        Downgrade::CredentialOnSidecar => {
            format!("{rule} names a credential, which has no effect on a sidecar")
        }
        Downgrade::MutualWithoutCertificates => format!("{rule} says MUTUAL without certificates"),
        Downgrade::External => "no rule sets TLS towards a host outside the mesh".to_owned(),
    };
    if let Some(downgrade) = tls.cluster.downgrade.as_ref().or_else(|| common_downgrade(tls)) {
        return why(downgrade);
    }
    match tls.cluster.source {
        Source::Rule(part) => {
            let mode = tls.cluster.declared.as_ref().map_or("DISABLE", TlsMode::word);
            let missing = tls.policy.tls().is_some_and(|block| block.get("mode").is_none());
            let note = if missing { ", by a tls block without mode" } else { "" };
            let place = match part {
                Part::Rule => String::new(),
                Part::RulePort => format!(" for port {}", tls.port),
                Part::Subset => format!(" for subset {}", tls.subset.as_deref().unwrap_or_default()),
                Part::SubsetPort => {
                    format!(" for subset {} and port {}", tls.subset.as_deref().unwrap_or_default(), tls.port)
                }
            };
            format!("{rule} says {mode}{place}{note}")
        }
        Source::Auto => "automatic mTLS".to_owned(),
        Source::None => "no rule sets TLS".to_owned(),
        Source::NotInScope | Source::Refused => "the service is not in the client's scope".to_owned(),
        Source::NoProxy => "the client has no proxy".to_owned(),
    }
}

fn common_downgrade(tls: &PairTls) -> Option<&Downgrade> {
    tls.endpoints.iter().find(|endpoint| endpoint.result == tls.status)?.downgrade.as_ref()
}
