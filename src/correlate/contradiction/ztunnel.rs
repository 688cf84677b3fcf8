//! What ztunnel's lines say of pairs: those of the client's node, and those of the server's where no other tells of the
//! pair. A connection counts by when it began: one that was open before stays open (data fact 14).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Flow;
use crate::correlate::locate::{Locator, origins};
use crate::diagnose::finding::{Edge, LogEvidence, Recorded};
use crate::logs::{Aggregate, Reporter, format_time};
use crate::model::Text;

/// Adds what ztunnel's lines say of pairs of these hosts.
pub(super) fn add(
    locator: &Locator<'_>,
    logs: &Aggregate,
    hosts: &FxHashMap<Text, Vec<usize>>,
    flows: &mut BTreeMap<Edge, Flow>,
) {
    let groups = logs.ztunnel_groups();
    for side in [Reporter::Client, Reporter::Server] {
        // A connection that both nodes tell of is one.
        let told: BTreeSet<Edge> = flows.keys().cloned().collect();
        for group in groups.iter().filter(|group| group.key.reporter == side) {
            let place = locator.locate_ztunnel(&group.key);
            let client = locator.workload(place.client);
            let (Some(client), Some(host), Some(port)) = (client, place.host.clone(), place.port) else {
                continue;
            };
            let client = (Arc::clone(&client.namespace), Arc::clone(&client.name), Arc::clone(&client.kind));
            let edge = Edge { client, host, port, subset: place.subset.clone() };
            if !hosts.contains_key(&edge.host) || side == Reporter::Server && told.contains(&edge) {
                continue;
            }
            let flow = flows.entry(edge).or_default();
            if group.answered > 0 {
                flow.place = place;
                flow.last_well = flow.last_well.max(group.last_answered);
                flow.surely_well = flow.surely_well.max(group.last_answered);
                flow.well.absorb(&LogEvidence {
                    by: Recorded::Lines,
                    count: group.answered,
                    first: group.first.map(format_time),
                    last: group.last.map(format_time),
                    text: String::new(),
                    samples: origins(logs, &group.samples),
                });
            }
            // One on which nothing was sent either tells nothing: somebody looked whether anything listens.
            if group.key.error.is_some() {
                flow.failed = true;
                flow.last_failed = flow.last_failed.max(group.last);
            } else if group.unanswered > 0 {
                flow.failed = true;
                flow.last_failed = flow.last_failed.max(group.last_unanswered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::contradiction::apply;
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::read;
    use crate::diagnose::diagnose;
    use crate::resolve::{Mesh, Options};

    /// `curl` is captured; `old` has a sidecar that takes no tunnels and accepts mutual TLS only.
    fn mesh(time: &str) -> String {
        let pod = |namespace: &str, name: &str, address: &str, more: &str, container: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, {more}}}\n\
                 spec: {{containers: [{container}]}}\n\
                 status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n---\n"
            )
        };
        let captured = "annotations: {ambient.istio.io/redirection: enabled}";
        let sidecar = "labels: {app: old, security.istio.io/tlsMode: istio}";
        pod("web", "curl", "10.8.1.8", captured, "{name: app}")
            + &pod("shop", "old", "10.8.2.2", sidecar, "{name: istio-proxy, args: [proxy, sidecar]}")
            + "apiVersion: v1\nkind: Service\nmetadata: {name: old, namespace: shop}\n\
               spec: {clusterIP: 10.9.0.2, selector: {app: old}, ports: [{name: http, port: 80, targetPort: 9080}]}\n---\n"
            + &format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                 metadata: {{name: default, namespace: istio-system{time}}}\nspec: {{mtls: {{mode: STRICT}}}}\n"
            )
    }

    /// A tunnel to `old`, with bytes to and from it and its length in milliseconds.
    fn line(direction: &str, (to, from): (u32, u32), length: u32, error: &str) -> String {
        let (sent, received) = if direction == "outbound" { (to, from) } else { (from, to) };
        format!(
            "2026-03-02T09:10:00.000000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.8.1.8:4000 \
             src.workload=\"curl\" src.namespace=\"web\" src.identity=\"spiffe://cluster.local/ns/web/sa/curl\" \
             dst.addr=10.8.2.2:15008 dst.hbone_addr=10.8.2.2:9080 dst.service=\"old.shop.svc.cluster.local\" \
             dst.workload=\"old\" dst.namespace=\"shop\" direction=\"{direction}\" bytes_sent={sent} \
             bytes_recv={received} duration=\"{length}ms\"{error}\n"
        )
    }

    /// What is found: code and confidence, and of MS0302 how many lines and what is said of their age.
    fn found(time: &str, clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(&mesh(time), clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let mut found = diagnose(&mesh, &[]).findings;
        apply(&Locator::new(&mesh), &bundle.logs, &mut found);
        let said = |one: &crate::diagnose::Finding| {
            let lines = one.message.split(", and ").nth(1).and_then(|rest| rest.split(' ').next());
            let lines = lines.map(|count| format!(" {count}"));
            let before = if one.message.contains("what was before") { " before" } else { "" };
            format!("{} {}{}{before}", one.code, one.confidence.word(), lines.unwrap_or_default())
        };
        found.iter().map(said).collect()
    }

    #[test]
    fn tunnels_that_go_well_contradict_a_conflict_once_for_both_nodes() {
        let (out, back) = (line("outbound", (9, 5), 3, ""), line("inbound", (9, 5), 2, ""));
        assert_eq!(found("", "", ""), ["MS0101 certain"]);
        let both = ["MS0101 likely", "MS0302 certain 1"];
        assert_eq!(found("", &out, ""), both);
        assert_eq!(found("", "", &back), both);
        assert_eq!(found("", &out, &back), both);
        // Nothing came back, or it failed at last: that is what the conflict looks like.
        assert_eq!(found("", &line("outbound", (9, 0), 3, ""), ""), ["MS0101 certain"]);
        assert_eq!(found("", &line("outbound", (0, 0), 3, ""), ""), ["MS0101 certain"]);
        // A probe says nothing, and what is answered at last says that nothing refuses it.
        let at = |second: u32, line: String| line.replace("09:10:00", &format!("09:10:{second:02}"));
        assert_eq!(found("", &(line("outbound", (0, 0), 3, "") + &at(1, out.clone())), ""), both);
        assert_eq!(found("", &(at(1, out.clone()) + &at(2, line("outbound", (0, 0), 3, ""))), ""), both);
        assert_eq!(found("", &(line("outbound", (9, 0), 3, "") + &at(1, out.clone())), ""), both);
        let silent = out.clone() + &at(1, line("outbound", (9, 0), 3, ""));
        assert_eq!(found("", &silent, ""), ["MS0101 certain"]);
        let failed = line("outbound", (0, 0), 3, " error=\"io error: Connection refused (os error 111)\"");
        assert_eq!(found("", &(out + &failed), ""), ["MS0101 certain"]);
    }

    /// What was open before is not asked again.
    #[test]
    fn a_connection_counts_by_when_it_began() {
        let time = ", creationTimestamp: '2026-03-02T09:09:30Z'";
        let short = line("outbound", (9, 5), 3, "");
        assert_eq!(found(time, &short, ""), ["MS0101 likely", "MS0302 certain 1"]);
        let long = line("outbound", (9, 5), 60_000, "");
        assert_eq!(found(time, &long, ""), ["MS0101 certain", "MS0302 certain 1 before"]);
    }
}
