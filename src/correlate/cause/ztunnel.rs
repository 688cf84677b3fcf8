//! Why connections failed that ztunnel wrote of: by the error, by which side wrote it, by what the other side's line
//! says, and by what stands beside it.
//!
//! What the application does is no error for ztunnel (data fact 12); `unanswered` has what is left of it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::denied::{Denial, allows_others, want_of_identity};
use super::messages::Ends;
use super::{Cause, Label, Proof};
use crate::correlate::age;
use crate::correlate::locate::origins;
use crate::correlate::locate::{Located, Locator};
use crate::diagnose::Confidence;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{Aggregate, End, Joined, Reporter, Through, ZtunnelGroup, format_time};
use crate::model::pod::ProxyKind;
use crate::resolve::ambient::policies::is_of_peer_authentication;
use crate::resolve::authorization::{self, Asks};

mod denied;
mod sign;
mod unanswered;

use sign::Sign;

/// Errors are shown up to so many characters.
const SHOWN: usize = 160;

/// At most so many policies are named where none of them allowed it.
const NAMED: usize = 10;

/// Ports of ztunnel itself, for which no tunnel is opened (fact 9).
const OWN_PORTS: [u16; 3] = [15001, 15006, 15008];

/// The causes of all groups that failed.
pub(super) fn causes(locator: &Locator<'_>, logs: &Aggregate) -> Vec<Cause> {
    let groups = logs.ztunnel_groups();
    let asked = Asked { locator, logs, groups: &groups, beside: Beside::new(&groups), ends: Ends::new(logs) };
    groups.iter().flat_map(|group| asked.causes(group)).collect()
}

/// What other groups say of the same two ends.
#[derive(Default)]
struct Beside<'a> {
    /// What servers said of a client's certificate, where they said it.
    alerts: FxHashMap<(&'a End, &'a End), &'static Sign>,
    /// Tunnels between the two that were made.
    tunnels: FxHashMap<(&'a End, &'a End), u64>,
    /// Connections, by their port, of which the client's side says that nothing came back.
    unanswered: FxHashSet<(&'a End, &'a End, Option<u16>)>,
}

impl<'a> Beside<'a> {
    fn new(groups: &'a [ZtunnelGroup]) -> Self {
        let mut beside = Self::default();
        for group in groups {
            let ends = (&group.key.source, &group.key.destination);
            if group.key.reporter == Reporter::Client && unanswered::is_unanswered(group) {
                beside.unanswered.insert((ends.0, ends.1, group.key.port));
            }
            match &group.key.error {
                Some(error) if error.contains("h2 failed: received fatal alert") => {
                    if let Some(sign) = sign::of(sign::OUTBOUND, error) {
                        beside.alerts.insert(ends, sign);
                    }
                }
                None if group.key.mtls == Some(true) => {
                    *beside.tunnels.entry(ends).or_default() += group.count;
                }
                Some(_) | None => {}
            }
        }
        beside
    }
}

struct Asked<'a> {
    locator: &'a Locator<'a>,
    logs: &'a Aggregate,
    groups: &'a [ZtunnelGroup],
    beside: Beside<'a>,
    ends: Ends,
}

/// Some of the lines: which ones they are is not told, so times and samples are left out.
fn part_of(lines: &LogEvidence, count: u64) -> LogEvidence {
    if lines.count == count {
        return lines.clone();
    }
    LogEvidence { count, first: None, last: None, samples: Vec::new(), ..lines.clone() }
}

impl Asked<'_> {
    fn causes(&self, group: &ZtunnelGroup) -> Vec<Cause> {
        let Some(error) = group.key.error.as_deref() else {
            return self.unanswered(group).into_iter().collect();
        };
        match group.key.reporter {
            Reporter::Client => self.at_client(group, error),
            Reporter::Server => {
                // Lines that have a partner are told with it.
                let joined: u64 = group.links.iter().map(|link| link.joined.count).sum();
                let left = group.count.saturating_sub(joined);
                let cause = (left > 0).then(|| Cause { count: left, ..self.at_server(group, error) });
                cause.into_iter().collect()
            }
            Reporter::Unknown => Vec::new(),
        }
    }

    /// Each side knows what the other does not: the server which policy denied it, the client why it did not accept the
    /// server's certificate. The surer of the two counts, and of two that are sure the one that refused.
    fn at_client(&self, group: &ZtunnelGroup, error: &str) -> Vec<Cause> {
        let own = self.alone_at_client(group, error);
        let mut left = group.count;
        let mut causes = Vec::new();
        for link in &group.links {
            let joined = link.joined.count.min(left);
            let Some(server) = self.groups.get(link.other).filter(|_| joined > 0) else { continue };
            let Some(server_error) = server.key.error.as_deref() else { continue };
            left -= joined;
            let theirs = self.at_server(server, server_error);
            let own_is_surer = own.confidence > theirs.confidence
                || own.confidence == theirs.confidence
                    && own.label != theirs.label
                    && theirs.denial.is_none();
            let mut cause = if own_is_surer { own.clone() } else { theirs.clone() };
            cause.count = joined;
            cause.groups = vec![group.index, server.index];
            cause.place = Located { server: theirs.place.server, ..own.place.clone() };
            cause.server_proof = true;
            cause.last = group.last;
            cause.evidence = own.evidence.iter().map(|lines| part_of(lines, joined)).collect();
            let says = theirs.evidence.first().map(|lines| lines.text.clone()).unwrap_or_default();
            cause.evidence.push(self.joined(&link.joined, format!("{says}, joined by both ends and time")));
            causes.push(cause);
        }
        if left > 0 {
            let evidence = own.evidence.iter().map(|lines| part_of(lines, left)).collect();
            causes.push(Cause { count: left, evidence, ..own });
        }
        causes
    }

    fn alone_at_client(&self, group: &ZtunnelGroup, error: &str) -> Cause {
        let key = &group.key;
        if let Some(cause) = self.by_policy(group, error) {
            return cause;
        }
        let table = match (key.through, key.mtls) {
            (Some(Through::Waypoint), _) => sign::WAYPOINT,
            (Some(Through::Gateway), _) | (None, Some(true)) => sign::TUNNEL,
            (None, Some(false) | None) => sign::PLAINTEXT,
        };
        let Some(sign) = sign::of(table, error).or_else(|| sign::of(sign::OUTBOUND, error)) else {
            return self.unknown(group);
        };
        let mut cause = self.by_sign(group, sign);
        let to_itself = key.port.is_some_and(|port| OWN_PORTS.contains(&port));
        if error.contains("http status: 503") && key.through.is_none() && to_itself {
            cause.label = Label::BadRequest;
            cause.alternatives.clear();
        }
        if key.through == Some(Through::Gateway) && cause.confidence == Confidence::Certain {
            // What the other network's gateway answers may be its own word or that of the pod behind it.
            cause.confidence = Confidence::Likely;
        }
        let ends = (&key.source, &key.destination);
        if error.starts_with("h2 failed: ") && cause.confidence == Confidence::Possible {
            // Fact 7: the same refusal leaves now the alert and now a broken pipe.
            if let Some(alert) = self.beside.alerts.get(&ends) {
                let others = std::mem::take(&mut cause.alternatives);
                cause.label = alert.label;
                cause.confidence = Confidence::Likely;
                cause.alternatives =
                    others.into_iter().filter(|other| *other != alert.label.word()).collect();
            }
        }
        if cause.label == Label::HboneUnreachable && self.beside.tunnels.contains_key(&ends) {
            // There were tunnels between the two: it is not that there never is a ztunnel.
            cause.confidence = Confidence::Possible;
        }
        self.at_an_end(group, &mut cause);
        cause
    }

    fn at_server(&self, group: &ZtunnelGroup, error: &str) -> Cause {
        let cause = self.by_policy(group, error);
        let cause = cause.or_else(|| Some(self.by_sign(group, sign::of(sign::INBOUND, error)?)));
        let mut cause = cause.unwrap_or_else(|| self.unknown(group));
        self.at_an_end(group, &mut cause);
        cause.server_proof = cause.label != Label::Unknown && cause.confidence == Confidence::Certain;
        cause
    }

    /// A side that is not there any more, for a moment or for good: its ztunnel may say why.
    fn at_an_end(&self, group: &ZtunnelGroup, cause: &mut Cause) {
        let labels = [Label::HboneUnreachable, Label::ZtunnelStopped, Label::PodRemoved, Label::Unknown];
        if labels.contains(&cause.label) && cause.confidence != Confidence::Certain {
            self.ends.decide(self.logs, group, cause);
        }
    }

    /// What a policy refused (facts 3 to 6 and 14), for which the side does not count.
    fn by_policy(&self, group: &ZtunnelGroup, error: &str) -> Option<Cause> {
        const REJECTED: &str = "connection closed due to policy rejection: ";
        let plaintext = group.key.mtls == Some(false);
        if error == "connection closed due to policy change" {
            let says = "a policy that changed does not allow the open connection";
            let mut cause = self.base(group, Label::RbacDenied, Confidence::Certain, says);
            if plaintext {
                cause.confidence = Confidence::Possible;
                cause.alternatives = vec!["plaintext-to-strict", "rbac-denied-because-plaintext"];
            }
            return Some(cause);
        }
        let rejected = error.strip_prefix(REJECTED)?;
        let Some(policy) = rejected.strip_prefix("explicitly denied by: ") else {
            let says = "no AuthorizationPolicy allows it";
            if !plaintext {
                return Some(self.base(group, Label::RbacDenied, Confidence::Certain, says));
            }
            return Some(self.not_allowed(group, says));
        };
        let (namespace, name) = policy.split_once('/')?;
        if is_of_peer_authentication(name) && plaintext {
            let says = format!("{namespace}/{name} accepts mutual TLS only");
            return Some(self.base(group, Label::PlaintextToStrict, Confidence::Certain, &says));
        }
        if is_of_peer_authentication(name) {
            return None;
        }
        let says = format!("AuthorizationPolicy {namespace}/{name} denies it");
        let mut cause = self.base(group, Label::RbacDenied, Confidence::Certain, &says);
        if plaintext {
            self.for_want_of_identity(group, &mut cause, namespace, name);
        }
        cause.denial = Some(Denial { namespace: namespace.into(), name: name.into(), rule: None });
        Some(cause)
    }

    /// It came without an identity, and no policy allows it: what they ask for tells whether that is why. ztunnel drops
    /// the rules that have HTTP in them.
    fn not_allowed(&self, group: &ZtunnelGroup, says: &str) -> Cause {
        let says = format!("{says}, and it came without an identity");
        let place = self.locator.locate_ztunnel(&group.key);
        let mesh = self.locator.mesh();
        let server = self.locator.workload(place.server);
        let server = server.filter(|server| server.proxy == ProxyKind::Ztunnel);
        let known = server.map(|server| authorization::allowing(mesh, server)).unwrap_or_default();
        let newer = known.policies.iter().any(|policy| age::is_newer(policy, group.first));
        let asks = known.asks(false);
        let nobody = matches!(asks, Asks::LetsNobodyIn | Asks::NoIdentity);
        let mut cause = if nobody {
            let confidence = if newer { Confidence::Likely } else { Confidence::Certain };
            self.base(group, Label::RbacDenied, confidence, &says)
        } else {
            let lets_in = known.knows(mesh, self.locator.workload(place.client));
            let (label, confidence) = want_of_identity(asks, lets_in, newer);
            self.base(group, label, confidence, &says)
        };
        if cause.confidence != Confidence::Certain {
            let is_denied = cause.label == Label::RbacDenied;
            let other = if is_denied { Label::RbacDeniedBecausePlaintext } else { Label::RbacDenied };
            cause.alternatives = vec![other.word()];
        }
        if let Some(server) = server {
            cause.proof.objects =
                known.policies.iter().take(NAMED).map(|one| allows_others(one, server)).collect();
        }
        cause
    }

    fn by_sign(&self, group: &ZtunnelGroup, sign: &Sign) -> Cause {
        let mut cause = self.base(group, sign.label, sign.confidence, sign.says);
        cause.alternatives = sign.alternatives.to_vec();
        cause
    }

    fn unknown(&self, group: &ZtunnelGroup) -> Cause {
        self.base(group, Label::Unknown, Confidence::Possible, "an error that is not known")
    }

    fn base(&self, group: &ZtunnelGroup, label: Label, confidence: Confidence, says: &str) -> Cause {
        let key = &group.key;
        let side = if key.reporter == Reporter::Client { "client" } else { "server" };
        let error = key.error.as_deref().unwrap_or("0 bytes received");
        let error: String = error.chars().take(SHOWN).collect();
        let lines = LogEvidence {
            by: Recorded::Lines,
            count: group.count,
            first: group.first.map(format_time),
            last: group.last.map(format_time),
            text: format!("{error} at the {side}: {says}"),
            samples: origins(self.logs, &group.samples),
        };
        Cause {
            label,
            confidence,
            count: group.count,
            place: self.locator.locate_ztunnel(key),
            evidence: vec![lines],
            alternatives: Vec::new(),
            server_proof: false,
            denial: None,
            proof: Proof::default(),
            groups: vec![group.index],
            parts: Vec::new(),
            last: group.last,
        }
    }

    fn joined(&self, joined: &Joined, text: String) -> LogEvidence {
        LogEvidence {
            by: Recorded::Lines,
            count: joined.count,
            first: joined.first.map(format_time),
            last: joined.last.map(format_time),
            text,
            samples: origins(self.logs, &joined.samples),
        }
    }
}

#[cfg(test)]
mod tests;
