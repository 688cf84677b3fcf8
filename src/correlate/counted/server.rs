//! Counters of the server's side: its inbound listener, the filters behind it, and the cluster of its application.

use super::{Asked, Told, answers, is_gateway};
use crate::correlate::cause::{Cause, Denial, Label};
use crate::correlate::locate::Located;
use crate::counters::{Metric, Period, Sheet, Subject};
use crate::diagnose::Confidence::{self, Certain, Likely, Possible};

/// The listener that takes what comes in, on all ports.
const INBOUND: u16 = 15006;

/// What an inbound listener takes.
#[derive(Debug, Clone, Copy)]
enum Inbound {
    AllPorts,
    Port(u16),
}

/// What the cluster of the application behind a server's proxy tells.
pub(super) fn at_cluster(asked: &Asked<'_>, sheet: &Sheet) -> Vec<Told> {
    let count = |metric| sheet.count(metric);
    let mut told = Vec::new();
    let mut add = |label, confidence, count, metric, says, others: &[&'static str]| {
        if count > 0 {
            let one = Told::new(label, confidence, count, sheet, metric, says).or(others);
            told.push(Told { by_server: true, ..one });
        }
    };
    // Connections of TCP end so, too: there is no 503 of them.
    let closed = count(Metric::CxDestroyRemoteWithActiveRq).min(count(Metric::Rq503));
    if !asked.is_rare(closed, count(Metric::RqTotal)) {
        let says = "the application closed connections with requests on them";
        let metric = Metric::CxDestroyRemoteWithActiveRq;
        add(Label::AppClosed, Likely, closed, metric, says, &["stale-connection"]);
    }
    let unmade = count(Metric::CxConnectFail);
    if !asked.is_rare(unmade, count(Metric::CxTotal)) {
        let says = "the application took no connection";
        add(Label::AppDown, Likely, unmade, Metric::CxConnectFail, says, &[]);
    }
    let says = "the application's answers were no HTTP";
    add(Label::AppProtocolError, Certain, count(Metric::CxProtocolError), Metric::CxProtocolError, says, &[]);
    let says = "a circuit breaker before the application refused requests";
    add(Label::Overflow, Certain, count(Metric::RqPendingOverflow), Metric::RqPendingOverflow, says, &[]);
    if told.is_empty() { answers::of_application(asked, sheet) } else { told }
}

impl Asked<'_> {
    /// What the HTTP filters of a port tell.
    pub(super) fn http(&self, prefix: &str, sheet: &Sheet, causes: &mut Vec<Cause>) {
        self.by_filters(prefix, sheet, causes);
        let Some(port) = inbound_port(prefix) else { return };
        let connections = sheet.count(Metric::DownstreamCxTotal);
        let all_tls = connections > 0 && connections == sheet.count(Metric::DownstreamCxSslTotal);
        let by_rules = self.by_rules.get(prefix).copied().unwrap_or(0);
        let mut told = vec![self.denied(sheet, by_rules, all_tls)];
        let says = "an external authorizer denied requests";
        let denied = sheet.count(Metric::ExtAuthzDenied);
        told.push(Told::new(Label::ExtAuthzDenied, Certain, denied, sheet, Metric::ExtAuthzDenied, says));
        let says = "what came in was no HTTP that the proxy takes";
        let broken = sheet.count(Metric::DownstreamCxProtocolError);
        let one =
            Told::new(Label::BadRequest, Possible, broken, sheet, Metric::DownstreamCxProtocolError, says);
        told.push(one.or(&["mtls-to-plaintext"]));
        self.add(told, &self.place(Some(port)), causes);
    }

    /// The requests that the rules of a policy denied, where proxies count by rule (data fact 22). They are a part of all
    /// that were denied there.
    pub(super) fn policy(
        &self,
        prefix: &str,
        (namespace, name): (&str, &str),
        sheet: &Sheet,
        causes: &mut Vec<Cause>,
    ) {
        let Some(port) = inbound_port(prefix) else { return };
        let says = "requests matched a rule that denies";
        let count = sheet.count(Metric::RbacDenied);
        let mut told = Told::new(Label::RbacDenied, Certain, count, sheet, Metric::RbacDenied, says);
        told.counter = format!("rbac.policy.ns[{namespace}]-policy[{name}].denied");
        let before = causes.len();
        self.add(vec![told], &self.place(Some(port)), causes);
        for cause in causes.iter_mut().skip(before) {
            cause.denial = Some(Denial { namespace: namespace.into(), name: name.into(), rule: None });
        }
    }

    /// What the proxy counts for all its ports together.
    pub(super) fn whole(&self, subject: &Subject, sheet: &Sheet, causes: &mut Vec<Cause>) {
        let place = self.place(None);
        if *subject == Subject::TcpPolicies {
            self.add(vec![self.denied(sheet, 0, false)], &place, causes);
            return;
        }
        let says = "a local rate limit refused requests";
        let limited = sheet.count(Metric::RateLimited);
        let told = Told::new(Label::RateLimited, Certain, limited, sheet, Metric::RateLimited, says);
        self.add(vec![told], &place, causes);
    }

    /// Denials by policies. Without an identity a caller can be denied for that alone, so where plaintext may have come
    /// in they stay open. What rules denied is told with their policies. `all_tls`: every connection of the port had TLS, those from before a first reading aside.
    fn denied(&self, sheet: &Sheet, by_rules: u64, all_tls: bool) -> Told {
        let says = "policies denied requests or connections";
        let since_start = self.proxy.period() == Period::SinceStart;
        let inspected =
            self.inspector.count(Metric::TlsFound) > 0 && self.inspector.count(Metric::TlsNotFound) == 0;
        let confidence = match (all_tls, inspected) {
            (true, _) if since_start => Certain,
            (true, _) | (_, true) => Likely,
            (false, false) => Possible,
        };
        let count = sheet.count(Metric::RbacDenied).saturating_sub(by_rules);
        let told = Told::new(Label::RbacDenied, confidence, count, sheet, Metric::RbacDenied, says);
        if confidence == Certain { told } else { told.or(&["rbac-denied-because-plaintext"]) }
    }

    /// What the inbound listeners tell: refusals before there was a request.
    pub(super) fn listeners(&self, causes: &mut Vec<Cause>) {
        if is_gateway(self.own()) {
            return;
        }
        let inbound: Vec<_> = self
            .proxy
            .sheets()
            .filter_map(|(subject, sheet)| match subject {
                Subject::Listener(address) => Some((self.inbound_listener(address)?, sheet)),
                Subject::Cluster(_)
                | Subject::Http(_)
                | Subject::Policy(..)
                | Subject::Proxy
                | Subject::TcpPolicies
                | Subject::Traffic(_) => None,
            })
            .collect();
        let mut all = Sheet::default();
        for (_, sheet) in &inbound {
            all.absorb(sheet.clone());
        }
        for (inbound, sheet) in inbound {
            let told = [self.unmatched(&all, &sheet)].into_iter().chain(certificates(&sheet)).collect();
            let port = match inbound {
                Inbound::AllPorts => None,
                Inbound::Port(port) => Some(port),
            };
            self.add(told, &self.place(port), causes);
        }
    }

    /// Connections for which there was no filter chain. The inspector counts for all listeners together: it tells that
    /// they were plaintext where it found no TLS at as many and all TLS that it found is accounted for. As with lines of
    /// callers that nobody knows, that is likely, and not certain, to be trouble of the mesh.
    fn unmatched(&self, all: &Sheet, sheet: &Sheet) -> Told {
        let metric = Metric::NoFilterChainMatch;
        let (count, every) = (sheet.count(metric), all.count(metric));
        let (found, not_found) =
            (self.inspector.count(Metric::TlsFound), self.inspector.count(Metric::TlsNotFound));
        let ended =
            [Metric::Handshake, Metric::FailVerifyNoCert, Metric::FailVerifyError, Metric::FailVerifySan];
        let ended: u64 = ended.iter().map(|metric| all.count(*metric)).sum();
        if not_found >= every && found <= ended {
            let says = "connections without TLS, of which the port takes none";
            Told::new(Label::PlaintextToStrict, Likely, count, sheet, metric, says)
        } else if found >= every && not_found == 0 {
            let says = "connections with TLS for which the port has no filter chain";
            let one = Told::new(Label::NonIstioTlsToPermissive, Likely, count, sheet, metric, says);
            one.or(&["mtls-to-plaintext"])
        } else {
            let says = "connections for which the port has no filter chain";
            let one = Told::new(Label::PlaintextToStrict, Possible, count, sheet, metric, says);
            one.or(&["non-istio-tls-to-permissive", "mtls-to-plaintext"])
        }
    }

    /// What a listener takes of what comes in.
    fn inbound_listener(&self, address: &str) -> Option<Inbound> {
        let (address, port) = address.rsplit_once('_')?;
        let port = port.parse().ok()?;
        if port == INBOUND {
            return Some(Inbound::AllPorts);
        }
        let own = match self.own() {
            Some(own) => own.address().is_some_and(|own| own == address),
            None => self.inbound.contains(&port) && address != "0.0.0.0",
        };
        own.then_some(Inbound::Port(port))
    }

    /// The place of an HTTP connection manager for what comes in.
    pub(super) fn inbound_place(&self, prefix: &str) -> Located {
        self.place(inbound_port(prefix))
    }

    /// The place of a port of this proxy.
    fn place(&self, port: Option<u16>) -> Located {
        match self.workload {
            Some(at) => self.locator.at_server(at, port),
            None => Located::default(),
        }
    }

    fn add(&self, told: Vec<Told>, place: &Located, causes: &mut Vec<Cause>) {
        let told = told.into_iter().filter(|told| told.count > 0);
        causes.extend(told.map(|told| self.cause(Told { by_server: true, ..told }, place.clone())));
    }
}

/// The port of an HTTP connection manager for what comes in: `inbound_0.0.0.0_9080`.
fn inbound_port(prefix: &str) -> Option<u16> {
    prefix.strip_prefix("inbound")?.rsplit_once('_')?.1.parse().ok()
}

/// Handshakes in which a certificate was refused, by either side.
fn certificates(sheet: &Sheet) -> Vec<Told> {
    let new = |label, confidence: Confidence, metric, says| {
        Told::new(label, confidence, sheet.count(metric), sheet, metric, says)
    };
    let says = "clients of TLS sent no certificate";
    let none = new(Label::NoClientCert, Likely, Metric::FailVerifyNoCert, says);
    let says = "clients' certificates were of another trust domain";
    let san = new(Label::ClientCertUntrusted, Likely, Metric::FailVerifySan, says);
    let says = "clients' certificates were not accepted";
    let error = new(Label::ClientCertUntrusted, Possible, Metric::FailVerifyError, says);
    let says = "TLS handshakes failed at the client's end, or over the version";
    let broken = new(Label::ServerCertUntrusted, Possible, Metric::ConnectionError, says);
    vec![
        none,
        san,
        error.or(&["client-cert-expired"]),
        broken.or(&["server-cert-expired", "server-san-mismatch", "tls-version-mismatch"]),
    ]
}
