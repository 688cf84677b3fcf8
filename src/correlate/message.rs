//! The sentence of a finding that logs make.

use super::age::{self, Age};
use super::cause::{Cause, Family, Label};
use super::locate::Locator;
use crate::diagnose::Code;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::model::ObjectId;
use crate::model::pod::ProxyKind;
use crate::resolve::Workload;
use crate::resolve::client_tls::Sent;

/// So many things that lines say are told.
const MOST_SHARES: usize = 4;

/// What a finding says of the causes behind it. `was_read`: the object that it names is among those that were read.
pub(super) fn message(
    locator: &Locator<'_>,
    code: Code,
    name: &ObjectId,
    was_read: bool,
    causes: &[&Cause],
) -> String {
    let count = lines_of(causes);
    // What a proxy says of itself is no connection that failed; what it counts is.
    if causes.iter().all(|cause| cause.groups.is_empty()) && !by_counters(causes) {
        format!("{name}: {count} messages of the proxy: {}", what(causes))
    } else if code == Code::UpstreamClosesConnections {
        closed(locator, name, causes)
    } else if code == Code::ClientWithoutProxyToStrict {
        let server = causes.iter().find_map(|cause| locator.workload(cause.place.server));
        let server = server.map(Workload::path).unwrap_or_default();
        format!(
            "{name} has no proxy and sends plaintext, and {server} accepts mutual TLS only: its proxy refused {count} \
             connections"
        )
    } else if code == Code::MtlsFailureInTraffic && of_certificates(causes) {
        format!(
            "{name}: {count} connections failed in the TLS handshake, over a certificate or the version and not over \
             the modes: {}",
            what(causes)
        )
    } else if code == Code::MtlsFailureInTraffic {
        // Refusals over a certificate are explained by it.
        let (of_mode, others): (Vec<&Cause>, Vec<&Cause>) =
            causes.iter().copied().partition(|cause| cause.label.family() != Family::Certificate);
        let refused = lines_of(&of_mode).min(count);
        let more = match count - refused {
            0 => String::new(),
            more => format!("; {more} more failed over a certificate or the version: {}", what(&others)),
        };
        format!(
            "{name}: the server's proxy refused {refused} connections over TLS, which the configuration that was read \
             does not explain: the proxies have something else, or other clients call it{}{}{more}",
            against(locator, &of_mode),
            not_all_read(locator, &of_mode)
        )
    } else if code == Code::UpstreamUnreachable {
        format!("{name}: {count} requests reached nothing: {}", what(causes))
    } else if code == Code::OverflowOrLimit {
        format!("{name}: a limit refused {count} requests: {}", what(causes))
    } else if code == Code::RequestsDenied {
        format!("{name}: {count} requests were denied: {}", what(causes))
    } else if by_counters(causes) {
        undecided(name, was_read, causes)
    } else {
        let what = listed(&shares_by(causes, |cause| cause.evidence.first()), ", ");
        let age = if was_read { age(locator, causes) } else { "no such object was read".to_owned() };
        format!("{name}: {what} cannot be explained by what was read; {age}")
    }
}

fn by_counters(causes: &[&Cause]) -> bool {
    causes.iter().flat_map(|cause| &cause.evidence).all(|one| one.by == Recorded::Counter)
}

/// What counters leave open: all that it can be.
fn undecided(name: &ObjectId, was_read: bool, causes: &[&Cause]) -> String {
    let mut words: Vec<_> = Vec::new();
    for cause in causes {
        let own = Some(cause.label).filter(|label| *label != Label::Unknown).map(Label::word);
        let all = own.into_iter().chain(cause.alternatives.iter().copied());
        let new: Vec<_> = all.filter(|word| !words.contains(word)).collect();
        words.extend(new);
    }
    let not_read = if was_read { "" } else { "; no such object was read" };
    let words = if words.len() == 1 { words.concat() } else { format!("one of {}", words.join(", ")) };
    let nobodys = causes.iter().all(|cause| cause.server_proof && cause.place.client.is_none());
    let whose = if nobodys { "; whose they were, the server does not count" } else { "" };
    format!("{name}: {} × {}: {words}, by counters alone{whose}{not_read}", lines_of(causes), what(causes))
}

fn of_certificates(causes: &[&Cause]) -> bool {
    causes.iter().all(|cause| cause.label.family() == Family::Certificate)
}

/// What the lines say, by the most telling line of each cause: that of the side which says what went wrong. Where they say
/// different things, each with how many say it, most first.
fn what(causes: &[&Cause]) -> String {
    let shares = shares(causes);
    match shares.as_slice() {
        [(_, one)] => one.clone(),
        [] => String::new(),
        _ => listed(&shares, "; "),
    }
}

/// What is said, each with how many say it; of many only the first.
fn listed(shares: &[(u64, String)], between: &str) -> String {
    let mut told: Vec<_> =
        shares.iter().take(MOST_SHARES).map(|(count, what)| format!("{count} × {what}")).collect();
    let more: u64 = shares.iter().skip(MOST_SHARES).map(|(count, _)| count).sum();
    told.extend((more > 0).then(|| format!("{more} others")));
    told.join(between)
}

/// What causes say, and of how many lines, as [`lines_of`] counts them.
fn shares(causes: &[&Cause]) -> Vec<(u64, String)> {
    shares_by(causes, |cause| cause.evidence.last())
}

fn shares_by(causes: &[&Cause], line: impl Fn(&Cause) -> Option<&LogEvidence>) -> Vec<(u64, String)> {
    let mut causes = causes.to_vec();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    // Of counters both sides count the same: shares of them would be counted twice.
    if by_counters(&causes) {
        causes.truncate(1);
    }
    let clients = causes.iter().any(|cause| cause.place.client.is_some() && cause.count > 0);
    let mut shares: Vec<(u64, String)> = Vec::new();
    for cause in causes.iter().filter(|cause| !clients || cause.place.client.is_some()) {
        let what = line(cause).map(|lines| lines.text.clone()).unwrap_or_default();
        let what = what + &in_force(cause);
        match shares.iter_mut().find(|(_, known)| *known == what) {
            Some((count, _)) => *count += cause.count,
            None => shares.push((cause.count, what)),
        }
    }
    shares.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    shares
}

/// The policies of which no rule matched, where that is why it was denied.
fn in_force(cause: &Cause) -> String {
    if cause.label.family() != Family::Denied || cause.denial.is_some() {
        return String::new();
    }
    let mut names: Vec<_> = cause.proof.objects.iter().map(|one| one.object.id.path()).collect();
    names.dedup();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" (in force: {one})"),
        [first, rest @ ..] => format!(" (in force: {first} and {} more)", rest.len()),
    }
}

/// The other end closed connections, or did not speak HTTP: which of them depends on the cause with most lines.
fn closed(locator: &Locator<'_>, name: &ObjectId, causes: &[&Cause]) -> String {
    let main = causes.iter().max_by_key(|cause| cause.count).map(|cause| cause.label);
    // What is said is said of the lines with that cause; the others are told behind it.
    let (causes, others): (Vec<&Cause>, Vec<&Cause>) =
        causes.iter().copied().partition(|cause| Some(cause.label) == main);
    let all = lines_of(&[causes.as_slice(), others.as_slice()].concat());
    let count = lines_of(&causes).min(all);
    let more = match all - count {
        0 => String::new(),
        more => format!("; {more} more: {}", what(&others)),
    };
    let causes = causes.as_slice();
    let said = closed_alike(locator, name, count, causes, main);
    format!("{said}{more}")
}

/// The same of causes with one label.
fn closed_alike(
    locator: &Locator<'_>,
    name: &ObjectId,
    count: u64,
    causes: &[&Cause],
    main: Option<Label>,
) -> String {
    let by_proxy = causes.iter().any(|cause| cause.server_proof);
    let not_mtls = if by_proxy {
        Some(
            "not mTLS: TLS had ended at the server's own proxy, which had taken the request and handed it on",
        )
    } else {
        let plaintext = causes.iter().all(|cause| is_plaintext_to_bare(locator, cause));
        plaintext.then_some("not mTLS: the server has no proxy, and the client sends it plaintext")
    };
    match (main, not_mtls) {
        (Some(Label::SidecarKilled), _) => format!(
            "{name}: {count} requests broke off together, and the address refused those after them: the server's \
             proxy or its pod went away"
        ),
        (Some(Label::AppProtocolError), Some(not_mtls)) if by_proxy => {
            format!(
                "{name}: the application answered {count} requests with something that is no HTTP; {not_mtls}"
            )
        }
        (Some(Label::AppProtocolError), _) => {
            format!("{name}: {count} requests were answered with something that is no HTTP: {}", what(causes))
        }
        (Some(Label::AppClosed), Some(not_mtls)) => {
            format!("{name}: the application closed {count} connections before it answered; {not_mtls}")
        }
        (Some(Label::AppClosed), None) => {
            format!("{name}: the application closed {count} connections: {}", what(causes))
        }
        _ => format!("{name}: {count} connections were closed before an answer: {}", what(causes)),
    }
}

/// Whether the objects say that plaintext is sent to servers without proxy.
fn is_plaintext_to_bare(locator: &Locator<'_>, cause: &Cause) -> bool {
    let bare = |at| locator.workload(at).is_none_or(|server| server.proxy == ProxyKind::None);
    age::pair_of(locator, &cause.place).is_some_and(|pair| {
        pair.effective == Some(Sent::Plaintext)
            && !pair.endpoints.is_empty()
            && pair.endpoints.iter().all(|endpoint| bare(endpoint.workload))
    })
}

pub(super) fn lines_of(causes: &[&Cause]) -> u64 {
    let clients: u64 =
        causes.iter().filter(|cause| cause.place.client.is_some()).map(|cause| cause.count).sum();
    if by_counters(causes) {
        // Both sides count the same, and a server's counter is of all its clients.
        let servers = causes.iter().filter(|cause| cause.place.client.is_none()).map(|cause| cause.count);
        return clients.max(servers.sum());
    }
    if clients > 0 { clients } else { causes.iter().map(|cause| cause.count).sum() }
}

/// Whether the lines may be older than the objects: by the time of the last change, where the objects tell it.
fn age(locator: &Locator<'_>, causes: &[&Cause]) -> String {
    match age_of(locator, causes) {
        Age::LinesBefore(object, time) => {
            format!("the lines are older than {object}, which {}", age::said(&object, time))
        }
        Age::LinesAfter(..) => "the server's own log would tell".to_owned(),
        Age::Unknown => "the lines may be older than the objects, whose last change is not known".to_owned(),
    }
}

/// The same where failures contradict a sound configuration.
fn against(locator: &Locator<'_>, causes: &[&Cause]) -> String {
    match age_of(locator, causes) {
        Age::LinesBefore(..) => format!("; {}", age(locator, causes)),
        Age::LinesAfter(object, time) => {
            format!("; {object}, the newest object that decides, {}, before them", age::said(&object, time))
        }
        Age::Unknown => String::new(),
    }
}

/// What is missing of the configuration of the pairs: what was read explains nothing where that decides.
fn not_all_read(locator: &Locator<'_>, causes: &[&Cause]) -> String {
    let pairs = causes.iter().filter_map(|cause| age::pair_of(locator, &cause.place));
    let mut needs: Vec<_> = pairs
        .flat_map(|pair| pair.missing)
        .map(|missing| format!("{}: {}", missing.kind, missing.need))
        .collect();
    needs.sort();
    needs.dedup();
    let more = needs.len().saturating_sub(MOST_SHARES);
    needs.truncate(MOST_SHARES);
    needs.extend((more > 0).then(|| format!("{more} others")));
    if needs.is_empty() { String::new() } else { format!("; missing to judge that: {}", needs.join("; ")) }
}

fn age_of(locator: &Locator<'_>, causes: &[&Cause]) -> Age {
    let Some(cause) = causes.iter().find(|cause| cause.place.client.is_some()) else { return Age::Unknown };
    let pair = age::pair_of(locator, &cause.place);
    pair.map_or(Age::Unknown, |pair| age::of(&age::deciding(locator, cause.place.client, &pair), cause.last))
}

#[cfg(test)]
mod tests {
    use crate::correlate::tests::{HOST, UC, client, mesh, read, refusal};
    use crate::correlate::{Locator, causes, merge};
    use crate::diagnose::{Code, diagnose};
    use crate::resolve::{Mesh, Options};

    /// What MS0301 says of requests that a sound mesh with these objects refused.
    fn said(more: &str) -> String {
        let objects = mesh("ISTIO_MUTUAL", "STRICT", &[true]) + more;
        let bundle = read(&objects, &client(10, UC, "-"), &refusal(10, "-", "10.8.1.8"));
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let locator = Locator::new(&mesh);
        let causes = causes(&locator, &bundle.logs);
        let (found, _) = merge::findings(&locator, diagnose(&mesh, &[]).findings, &causes);
        let finding = found.iter().find(|one| one.code == Code::MtlsFailureInTraffic).unwrap();
        finding.message.clone()
    }

    #[test]
    fn what_could_not_be_read_is_said_where_nothing_explains_a_refusal() {
        let rule = |namespace: &str, spec: &str| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                 metadata: {{name: bad, namespace: {namespace}}}\nspec: {spec}\n"
            )
        };
        let unread = said(&rule("web", "[]"));
        assert!(unread.contains("; missing to judge that: DestinationRule: web/bad ("), "{unread}");
        // One that is sound, and one that can be no rule of that client's, are not to blame.
        for silent in [String::new(), rule("web", "{host: other}"), rule("elsewhere", "[]")] {
            assert!(!said(&silent).contains("missing"), "{}", said(&silent));
        }
        assert!(said("").starts_with(&format!("Service shop/{}: ", HOST.split('.').next().unwrap())));
    }
}
