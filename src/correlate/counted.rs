//! What the counters of proxies say of failures: evidence where access logs are off, and beside them.
//!
//! A counter tells how often, not when and seldom of whom. So the counters of one subject are read together, each failure
//! once: what one counter tells is taken out of what the next one would (data's table *Counters*). What only the
//! configuration expects is said to be *likely*, and what several causes leave alike names them all.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Cause, Label, Proof, merged};
use super::locate::{Located, Locator};
use crate::counters::{Counters, Metric, Period, Proxy, Sheet, Subject, Writer};
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{Direction, UpstreamCluster};
use crate::model::Origin;
use crate::model::destination_rule::TlsMode;
use crate::model::peer_authentication::MtlsMode;
use crate::model::pod::ProxyKind;
use crate::resolve::client_tls::Sent;
use crate::resolve::{PairTls, Status, Workload};

mod answers;
mod client;
mod findings;
mod join;
mod server;
mod traffic;
mod waypoint;

pub use findings::findings;
pub use join::absorb;

/// What some counters tell: a cause without its place.
#[derive(Debug, Clone)]
struct Told {
    label: Label,
    confidence: Confidence,
    alternatives: Vec<&'static str>,
    count: u64,
    /// The counter's name.
    counter: String,
    /// What it says.
    says: &'static str,
    origin: Option<Origin>,
    /// Whether the server's own proxy tells it.
    by_server: bool,
}

impl Told {
    fn new(
        label: Label,
        confidence: Confidence,
        count: u64,
        sheet: &Sheet,
        metric: Metric,
        says: &'static str,
    ) -> Self {
        Self {
            label,
            confidence,
            alternatives: Vec::new(),
            count,
            counter: metric.name().to_owned(),
            says,
            origin: sheet.seen(metric).map(|seen| seen.origin.clone()),
            by_server: false,
        }
    }

    fn or(mut self, alternatives: &[&'static str]) -> Self {
        self.alternatives =
            alternatives.iter().copied().filter(|other| *other != self.label.word()).collect();
        self
    }

    /// What the configuration says must fail so, where the counters leave it open.
    fn expected(mut self, expected: Option<Label>) -> Self {
        if let Some(expected) = expected
            && self.confidence < Confidence::Certain
            && (expected == self.label || self.alternatives.contains(&expected.word()))
        {
            self.alternatives.retain(|other| *other != expected.word());
            if expected != self.label && self.label != Label::Unknown {
                self.alternatives.insert(0, self.label.word());
            }
            self.label = expected;
            self.confidence = Confidence::Likely;
        }
        self
    }
}

/// The causes that counters tell, most events first. Both sides of a pair are one cause.
pub fn causes(locator: &Locator<'_>, counters: &Counters) -> Vec<Cause> {
    // What grew between readings is not compared with what another proxy counts since it started.
    let (mut since_start, mut between) = (Vec::new(), Vec::new());
    for proxy in counters.proxies() {
        let causes = if proxy.period() == Period::SinceStart { &mut since_start } else { &mut between };
        let asked = Asked::new(locator, &proxy);
        for (subject, sheet) in proxy.sheets() {
            match subject {
                Subject::Cluster(name) => asked.cluster(name, &sheet, causes),
                Subject::Http(prefix) => asked.http(prefix, &sheet, causes),
                Subject::Policy(prefix, namespace, name) => {
                    asked.policy(prefix, (namespace, name), &sheet, causes);
                }
                Subject::Listener(_) | Subject::Traffic(_) => {}
                Subject::Proxy | Subject::TcpPolicies => asked.whole(subject, &sheet, causes),
            }
        }
        asked.listeners(causes);
    }
    let mut causes = join::both_sides(locator, merged(since_start.into_iter()));
    causes.extend(join::both_sides(locator, merged(between.into_iter())));
    traffic::add(locator, counters, &mut causes);
    merged(causes.into_iter())
}

/// One proxy, and what is known of it.
struct Asked<'a> {
    locator: &'a Locator<'a>,
    proxy: &'a Proxy<'a>,
    workload: Option<usize>,
    /// The ports of its inbound clusters.
    inbound: BTreeSet<u16>,
    /// What rules of policies denied, by the prefix of the filter that counts it again as a whole.
    by_rules: BTreeMap<&'a str, u64>,
    /// What it inspected of all connections, for which no listener is named.
    inspector: Sheet,
}

impl<'a> Asked<'a> {
    fn new(locator: &'a Locator<'a>, proxy: &'a Proxy<'a>) -> Self {
        let workload = match proxy.writer {
            Writer::Pod(namespace, name) => locator.mesh().workloads.by_pod(namespace, name),
            Writer::File(_) => None,
        };
        let mut inbound = BTreeSet::new();
        let mut inspector = Sheet::default();
        let mut by_rules: BTreeMap<_, u64> = BTreeMap::new();
        for (subject, sheet) in proxy.sheets() {
            match subject {
                Subject::Cluster(name) => {
                    let cluster = UpstreamCluster::parse(name.as_bytes());
                    inbound.extend(cluster.port.filter(|_| cluster.direction == Direction::Inbound));
                }
                Subject::Proxy => inspector = sheet,
                Subject::Policy(prefix, ..) => {
                    *by_rules.entry(&**prefix).or_default() += sheet.count(Metric::RbacDenied);
                }
                Subject::Listener(_) | Subject::Http(_) | Subject::TcpPolicies | Subject::Traffic(_) => {}
            }
        }
        Self { locator, proxy, workload, inbound, by_rules, inspector }
    }

    fn own(&self) -> Option<&'a Workload> {
        self.locator.workload(self.workload)
    }

    /// Whether all was counted since the proxy started, where a failure now and then, when pods come and go, is told
    /// apart from nothing: a hundredth of all is left alone.
    fn is_rare(&self, count: u64, all: u64) -> bool {
        self.proxy.period() == Period::SinceStart && count.saturating_mul(100) < all
    }

    fn cluster(&self, name: &str, sheet: &Sheet, causes: &mut Vec<Cause>) {
        let cluster = UpstreamCluster::parse(name.as_bytes());
        let told = match cluster.direction {
            Direction::Outbound => {
                let place = self.locator.at_cluster(self.workload, cluster);
                let pair = pair(self.locator, &place);
                client::told(self, sheet, pair.as_ref())
            }
            Direction::Inbound => server::at_cluster(self, sheet),
            Direction::InboundVip => waypoint::told(self, sheet),
            Direction::Passthrough => client::told(self, sheet, None),
            Direction::BlackHole => client::unknown_hosts(sheet),
            Direction::InboundPassthrough | Direction::Other => return,
        };
        let place = match cluster.direction {
            // Whom they lead to is not told.
            Direction::Passthrough | Direction::BlackHole => self.caller(),
            // The waypoint is on the way to the service, and not its server.
            Direction::InboundVip => {
                Located { server: None, ..self.locator.at_cluster(self.workload, cluster) }
            }
            Direction::Outbound | Direction::Inbound | Direction::InboundPassthrough | Direction::Other => {
                self.locator.at_cluster(self.workload, cluster)
            }
        };
        causes.extend(told.into_iter().map(|told| self.cause(told, place.clone())));
    }

    /// The place of what its own application sends, where nobody says whereto.
    fn caller(&self) -> Located {
        Located { reporter: self.workload, client: self.workload, ..Located::default() }
    }

    fn cause(&self, told: Told, place: Located) -> Cause {
        cause(self.proxy, told, place)
    }
}

fn cause(proxy: &Proxy<'_>, told: Told, place: Located) -> Cause {
    let side = if told.by_server { "server" } else { "client" };
    let order = proxy.order().map(|order| format!(" ({})", order.words())).unwrap_or_default();
    let period = match proxy.period() {
        Period::SinceStart => "since the proxy started".to_owned(),
        Period::Between(readings) => format!("more between {readings} readings{order}"),
        Period::BetweenWithRestart(readings) => {
            format!("more between {readings} readings{order}, anew since the proxy restarted")
        }
    };
    let evidence = LogEvidence {
        by: Recorded::Counter,
        count: told.count,
        text: format!("{} at the {side}, {period}: {}", told.counter, told.says),
        samples: told.origin.into_iter().collect(),
        ..LogEvidence::default()
    };
    Cause {
        label: told.label,
        confidence: told.confidence,
        count: told.count,
        place,
        evidence: vec![evidence],
        alternatives: told.alternatives,
        server_proof: told.by_server,
        denial: None,
        proof: Proof::default(),
        groups: Vec::new(),
        parts: Vec::new(),
        last: None,
    }
}

/// The answer of the configuration for a place, where client and service are known.
fn pair(locator: &Locator<'_>, place: &Located) -> Option<PairTls> {
    let client = locator.workload(place.client)?;
    locator.mesh().pair(client, place.host.as_deref()?, place.port?, place.subset.as_deref())
}

/// What must fail by the configuration, where every endpoint that fails does so for the same reason.
fn expected(pair: &PairTls) -> Option<Label> {
    if pair.status != Status::Conflict {
        return None;
    }
    let mut labels: Vec<_> = pair
        .failing()
        .map(|endpoint| {
            let mode = endpoint.demand.as_ref().map(|demand| &demand.mode);
            let own_tls = pair.cluster.declared == Some(TlsMode::Simple);
            match endpoint.sent {
                Sent::Plaintext => Some(Label::PlaintextToStrict),
                Sent::IstioMutual => Some(Label::MtlsToPlaintext),
                Sent::Simple if mode == Some(&MtlsMode::Strict) && own_tls => Some(Label::NoClientCert),
                Sent::Simple | Sent::Mutual if mode != Some(&MtlsMode::Strict) => {
                    Some(Label::NonIstioTlsToPermissive)
                }
                Sent::Simple | Sent::Mutual | Sent::Hbone { .. } | Sent::Unknown => None,
            }
        })
        .collect();
    labels.dedup();
    match labels.as_slice() {
        [Some(label)] => Some(*label),
        _ => None,
    }
}

/// Whether a workload's own proxy takes part in the mesh's TLS at its inbound listener; a gateway's clients are outside.
fn is_gateway(workload: Option<&Workload>) -> bool {
    workload.is_some_and(|workload| workload.proxy == ProxyKind::Gateway)
}

#[cfg(test)]
mod tests;
