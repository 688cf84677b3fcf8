//! Counters of both sides of a pair, and counters beside log lines: one cause where they can be about the same.
//!
//! Two counters are joined by what they can be about and how much they count, never by time. So what is joined is
//! *likely*, and where the server counts less than the client, another server may have to do with it: nothing is joined.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::correlate::cause::{Cause, Label};
use crate::correlate::locate::Locator;
use crate::diagnose::Confidence;
use crate::model::Text;

/// What a cause can be, by its words.
fn candidates(cause: &Cause) -> impl Iterator<Item = &'static str> + Clone {
    let own = Some(cause.label.word()).filter(|_| cause.label != Label::Unknown);
    own.into_iter().chain(cause.alternatives.iter().copied())
}

fn label(word: &str) -> Option<Label> {
    Label::ALL.iter().copied().find(|label| label.word() == word)
}

/// Joins what clients count with what the servers behind their hosts do.
pub(super) fn both_sides(locator: &Locator<'_>, causes: Vec<Cause>) -> Vec<Cause> {
    let (mut servers, mut joined): (Vec<_>, Vec<_>) =
        causes.into_iter().partition(|cause| cause.server_proof);
    let mut left: Vec<u64> = servers.iter().map(|cause| cause.count).collect();
    let behind = Behind::new(&servers);
    for client in &mut joined {
        for at in behind.of(locator, client) {
            if let (Some(server), Some(left)) = (servers.get(at), left.get_mut(at))
                && *left >= client.count
                && join(client, server)
            {
                *left -= client.count;
                break;
            }
        }
    }
    let mut left = left.into_iter();
    servers.retain_mut(|cause| {
        cause.count = left.next().unwrap_or(cause.count);
        cause.count > 0
    });
    joined.extend(servers);
    joined
}

/// Causes at servers by what leads to them: the service of their port, or, where they do not tell their port, their pod.
#[derive(Default)]
struct Behind {
    service: FxHashMap<(Text, u16), Vec<usize>>,
    pod: FxHashMap<usize, Vec<usize>>,
}

impl Behind {
    fn new(servers: &[Cause]) -> Self {
        let mut behind = Self::default();
        for (at, cause) in servers.iter().enumerate() {
            match (&cause.place.host, cause.place.port, cause.place.server) {
                (Some(host), Some(port), _) => {
                    behind.service.entry((Arc::clone(host), port)).or_default().push(at);
                }
                (_, _, Some(server)) => behind.pod.entry(server).or_default().push(at),
                (_, _, None) => {}
            }
        }
        behind
    }

    fn of(&self, locator: &Locator<'_>, client: &Cause) -> Vec<usize> {
        let (Some(host), Some(port)) = (&client.place.host, client.place.port) else { return Vec::new() };
        let by_service = self.service.get(&(Arc::clone(host), port)).into_iter().flatten();
        let service = locator.mesh().registry.by_host(host).filter(|_| !self.pod.is_empty());
        let pods = service.into_iter().flat_map(|service| service.endpoints(port).iter());
        let by_pod = pods.filter_map(|endpoint| self.pod.get(&endpoint.workload?)).flatten();
        by_service.chain(by_pod).copied().collect()
    }
}

/// Takes what the server says up, if both can be about the same.
fn join(client: &mut Cause, server: &Cause) -> bool {
    let own: Vec<_> = candidates(client).collect();
    let both: Vec<_> = candidates(server).filter(|word| own.contains(word)).collect();
    let Some(first) = both.first().copied() else { return false };
    let main = |cause: &Cause| Some(cause.label).filter(|label| both.contains(&label.word()));
    if client.confidence > Confidence::Possible {
        if main(client).is_none() {
            return false;
        }
        client.alternatives.retain(|other| both.contains(other));
    } else {
        let sure = both.len() == 1 || server.confidence > Confidence::Possible && main(server).is_some();
        let told = if sure { main(server) } else { main(client).or(main(server)) };
        let Some(told) = told.or(label(first)) else { return false };
        client.label = told;
        client.confidence = if sure { Confidence::Likely } else { Confidence::Possible };
        client.alternatives = both.iter().copied().filter(|other| *other != told.word()).collect();
    }
    client.place.server = server.place.server;
    client.server_proof = true;
    client.evidence.extend(server.evidence.iter().cloned());
    if client.denial.is_none() {
        client.denial.clone_from(&server.denial);
    }
    true
}

/// Joins counters to the causes that log lines tell of the same place, and gives back those that stand alone. Lines count
/// for themselves: a counter says what lines leave open, or is evidence beside them.
pub fn absorb(logs: &mut [Cause], counted: Vec<Cause>) -> Vec<Cause> {
    let (mut clients, mut servers) = (Places::default(), Places::default());
    for (at, lines) in logs.iter().enumerate() {
        if let Some(client) = lines.place.client {
            clients.entry(client).or_default().push(at);
        }
        if let Some(server) = lines.place.server {
            servers.entry(server).or_default().push(at);
        }
    }
    let mut alone = Vec::new();
    for counter in counted {
        // The server's counter does not say who called.
        let at = match (counter.place.client, counter.place.server) {
            (Some(client), _) => clients.get(&client),
            (None, Some(server)) => servers.get(&server),
            (None, None) => None,
        };
        let known = at.into_iter().flatten().copied().find(|at| {
            logs.get_mut(*at).is_some_and(|lines| is_same_target(lines, &counter) && takes(lines, &counter))
        });
        match known.and_then(|at| logs.get_mut(at)) {
            Some(lines) => lines.evidence.extend(counter.evidence),
            None => alone.push(counter),
        }
    }
    alone
}

/// Causes by one end.
type Places = FxHashMap<usize, Vec<usize>>;

/// Whether nothing that is known of both targets differs.
fn is_same_target(lines: &Cause, counter: &Cause) -> bool {
    fn same<T: PartialEq>(own: Option<&T>, other: Option<&T>) -> bool {
        own.zip(other).is_none_or(|(own, other)| own == other)
    }
    let (a, b) = (&lines.place, &counter.place);
    same(a.host.as_ref(), b.host.as_ref())
        && same(a.port.as_ref(), b.port.as_ref())
        && same(a.subset.as_ref(), b.subset.as_ref())
}

/// Whether both are about the same. What lines leave open a counter can make likely.
fn takes(lines: &mut Cause, counter: &Cause) -> bool {
    if lines.label == counter.label {
        if lines.confidence < counter.confidence {
            lines.confidence = lines.confidence.max(Confidence::Likely);
        }
        return true;
    }
    let can_be = |label: Label| lines.alternatives.contains(&label.word());
    // The configuration leaves plaintext out where it makes a pair sound; a proxy that counted it knows better what is
    // in force, and a refused certificate leaves the same lines.
    let is_counted_plaintext =
        counter.label == Label::PlaintextToStrict && can_be(Label::ClientCertUntrusted);
    let is_open = lines.confidence == Confidence::Possible && (can_be(counter.label) || is_counted_plaintext);
    if is_open && counter.confidence > Confidence::Possible {
        lines.label = counter.label;
        lines.confidence = Confidence::Likely;
        lines.alternatives.clone_from(&counter.alternatives);
        lines.server_proof |= counter.server_proof;
        return true;
    }
    counter.confidence == Confidence::Possible && candidates(counter).any(|word| word == lines.label.word())
}
