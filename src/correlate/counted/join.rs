//! Counters of both sides of a pair, and counters beside log lines: one cause where they can be about the same.
//!
//! Two counters are joined by what they can be about and how much they count, never by time. So what is joined is
//! *likely*, and where the server counts less than the client, another server may have to do with it: nothing is joined.

use crate::correlate::cause::{Cause, Label};
use crate::correlate::locate::Locator;
use crate::diagnose::Confidence;

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
    for client in &mut joined {
        for (server, left) in servers.iter().zip(&mut left) {
            if *left >= client.count && is_pair(locator, client, server) && join(client, server) {
                *left -= client.count;
                break;
            }
        }
    }
    // What a server proves by itself stays proved: whose connections they were is all that is likely.
    let mut left = left.into_iter();
    servers.retain_mut(|cause| {
        let left = left.next().unwrap_or(cause.count);
        if cause.confidence < Confidence::Certain {
            cause.count = left;
        }
        cause.count > 0
    });
    joined.extend(servers);
    joined
}

/// Whether a server's proxy is behind what a client called: by the service of the port, or, where the server does not
/// tell its port, by the endpoints of the service.
fn is_pair(locator: &Locator<'_>, client: &Cause, server: &Cause) -> bool {
    let Some(host) = &client.place.host else { return false };
    if let Some(known) = &server.place.host
        && server.place.port.is_some()
    {
        return known == host && server.place.port == client.place.port;
    }
    let service = locator.mesh().registry.by_host(host);
    let mut behind = service
        .into_iter()
        .flat_map(|service| client.place.port.into_iter().flat_map(|port| service.endpoints(port).iter()));
    server.place.server.is_some() && behind.any(|endpoint| endpoint.workload == server.place.server)
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
    let mut alone = Vec::new();
    for counter in counted {
        let mut same = logs.iter_mut().filter(|lines| is_same_place(lines, &counter));
        match same.find_map(|lines| takes(lines, &counter).then_some(lines)) {
            Some(lines) => lines.evidence.extend(counter.evidence),
            None => alone.push(counter),
        }
    }
    alone
}

fn is_same_place(lines: &Cause, counter: &Cause) -> bool {
    let (a, b) = (&lines.place, &counter.place);
    let either = |own: bool, other: bool, same: bool| !own || !other || same;
    let who = match (a.client, b.client) {
        (Some(own), Some(other)) => own == other,
        (None, None) => a.server.is_some() && a.server == b.server,
        // The server's counter does not say who called.
        (Some(_), None) => b.server.is_some() && a.server == b.server,
        (None, Some(_)) => false,
    };
    who && either(a.host.is_some(), b.host.is_some(), a.host == b.host)
        && either(a.port.is_some(), b.port.is_some(), a.port == b.port)
        && either(a.subset.is_some(), b.subset.is_some(), a.subset == b.subset)
}

/// Whether both are about the same. What lines leave open a counter can make likely.
fn takes(lines: &mut Cause, counter: &Cause) -> bool {
    if lines.label == counter.label {
        if lines.confidence < counter.confidence {
            lines.confidence = lines.confidence.max(Confidence::Likely);
        }
        return true;
    }
    let is_open =
        lines.confidence == Confidence::Possible && lines.alternatives.contains(&counter.label.word());
    if is_open && counter.confidence > Confidence::Possible {
        lines.label = counter.label;
        lines.confidence = Confidence::Likely;
        lines.alternatives.clone_from(&counter.alternatives);
        lines.server_proof |= counter.server_proof;
        return true;
    }
    counter.confidence == Confidence::Possible && candidates(counter).any(|word| word == lines.label.word())
}
