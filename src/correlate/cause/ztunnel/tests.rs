//! Branches that the recorded scenarios do not have, and what objects add.

use crate::correlate::cause::causes;
use crate::correlate::tests::read;
use crate::correlate::{Locator, findings};
use crate::diagnose::diagnose;
use crate::resolve::{Mesh, Options};

/// `curl` and `cart` are captured, `legacy` is not, `old` has a sidecar. Everything is strict.
const STRICT: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: curl, namespace: web, labels: {app: curl}, annotations: {ambient.istio.io/redirection: enabled}}
spec: {containers: [{name: app}]}
status: {phase: Running, podIP: 10.8.1.8, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: legacy, namespace: web, labels: {app: legacy}}
spec: {containers: [{name: app}]}
status: {phase: Running, podIP: 10.8.1.9, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}, annotations: {ambient.istio.io/redirection: enabled}}
spec: {containers: [{name: app}]}
status: {phase: Running, podIP: 10.8.2.1, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop, labels: {app: old, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: istio-proxy, args: [proxy, sidecar]}]}
status: {phase: Running, podIP: 10.8.2.2, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {clusterIP: 10.9.0.1, selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: old, namespace: shop}
spec: {clusterIP: 10.9.0.2, selector: {app: old}, ports: [{name: http, port: 80, targetPort: 9080}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
";

const CURL: &str = "src.workload=\"curl\" src.namespace=\"web\"";
const CART: &str = "dst.workload=\"cart\" dst.namespace=\"shop\"";

/// A line of a tunnel from `curl` to `cart`, at that millisecond.
fn tunnel(millis: u32, direction: &str, bytes: (u32, u32), error: &str) -> String {
    let error = if error.is_empty() { String::new() } else { format!(" error=\"{error}\"") };
    let (sent, received) = bytes;
    format!(
        "2026-03-02T09:00:{:02}.{:03}000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.8.1.8:{} {CURL} \
         src.identity=\"spiffe://cluster.local/ns/web/sa/curl\" dst.addr=10.8.2.1:15008 dst.hbone_addr=10.8.2.1:9080 \
         dst.service=\"cart.shop.svc.cluster.local\" {CART} direction=\"{direction}\" bytes_sent={sent} \
         bytes_recv={received} duration=\"1ms\"{error}\n",
        millis / 1000,
        millis % 1000,
        40_000 + millis % 1000,
    )
}

/// A line of plaintext to a pod.
fn plaintext(direction: &str, ends: &str, bytes: (u32, u32), error: &str) -> String {
    let error = if error.is_empty() { String::new() } else { format!(" error=\"{error}\"") };
    let (sent, received) = bytes;
    format!(
        "2026-03-02T09:00:01.000000Z\tinfo\taccess\tconnection complete\t{ends} direction=\"{direction}\" \
         bytes_sent={sent} bytes_recv={received} duration=\"1ms\"{error}\n"
    )
}

/// Causes as `count label confidence or alternative, client > host:port`, and the codes and roots of findings.
fn said(mesh: &str, clients: &str, servers: &str) -> (Vec<String>, Vec<String>) {
    let bundle = read(mesh, clients, servers);
    let mesh = Mesh::new(&bundle.snapshot, &Options::default());
    let locator = Locator::new(&mesh);
    let causes = causes(&locator, &bundle.logs);
    let cause = |cause: &crate::correlate::Cause| {
        let confidence = format!("{:?}", cause.confidence).to_lowercase();
        let first = cause.alternatives.first().map(|first| format!(" or {first}")).unwrap_or_default();
        let client = locator.workload(cause.place.client).map_or("?", |client| &*client.name);
        let (host, port) = (cause.place.host.as_deref().unwrap_or("?"), cause.place.port.unwrap_or(0));
        format!("{} {} {confidence}{first}, {client} > {host}:{port}", cause.count, cause.label.word())
    };
    let (found, _) = findings(&locator, diagnose(&mesh, &[]).findings, &causes);
    let logged = found.iter().filter(|finding| finding.root.1 == "logs" || !finding.evidence.is_empty());
    let with_lines = logged.filter(|finding| {
        finding.evidence.iter().any(|one| matches!(one, crate::diagnose::finding::Evidence::Log(_)))
    });
    let found = with_lines.map(|finding| format!("{} {}", finding.code.code(), finding.root.0));
    (causes.iter().map(cause).collect(), found.collect())
}

fn causes_of(clients: &str, servers: &str) -> Vec<String> {
    said("", clients, servers).0
}

const DENIED: &str = "connection closed due to policy rejection: explicitly denied by: shop/no-curl";
const CHANGED: &str = "connection closed due to policy change";
const GONE: &str = "while closing connection: send: io error: broken pipe";
const HOST: &str = "? > cart.shop.svc.cluster.local:0";

#[test]
fn the_line_of_the_server_tells_what_the_clients_does_not() {
    let denied = |millis| tunnel(millis, "inbound", (0, 0), DENIED);
    let refused = |millis| tunnel(millis, "outbound", (0, 0), "http status: 401 Unauthorized");
    let gone = |millis, bytes| tunnel(millis, "outbound", bytes, GONE);
    for (clients, servers, wanted) in [
        (refused(1000), denied(999), vec!["1 rbac-denied certain"]),
        // Bytes mirror each other, and times are near, or it is not the same connection.
        (gone(1000, (9, 5)), tunnel(999, "inbound", (5, 9), CHANGED), vec!["1 rbac-denied certain"]),
        (
            gone(1000, (9, 5)),
            tunnel(999, "inbound", (9, 5), CHANGED),
            vec!["1 rbac-denied certain", "1 unknown possible or rbac-denied"],
        ),
        (
            gone(1000, (9, 5)),
            tunnel(3999, "inbound", (5, 9), CHANGED),
            vec!["1 rbac-denied certain", "1 unknown possible or rbac-denied"],
        ),
        // Each line has one partner.
        (
            gone(1000, (9, 5)) + &gone(1001, (9, 5)),
            tunnel(999, "inbound", (5, 9), CHANGED),
            vec!["1 rbac-denied certain", "1 unknown possible or rbac-denied"],
        ),
    ] {
        let wanted: Vec<_> = wanted.iter().map(|one| format!("{one}, {HOST}")).collect();
        assert_eq!(causes_of(&clients, &servers), wanted, "{clients}{servers}");
        assert_eq!(causes_of(&servers, &clients), wanted, "in the other order");
    }
}

#[test]
fn a_tunnel_that_was_there_before_makes_a_refusal_doubtful() {
    let refused = tunnel(2000, "outbound", (0, 0), "io error: Connection refused (os error 111)");
    let ok = tunnel(1000, "outbound", (9, 5), "");
    let wanted = |confidence: &str| [format!("1 hbone-unreachable {confidence} or ztunnel-stopped, {HOST}")];
    assert_eq!(causes_of(&refused, ""), wanted("likely"));
    assert_eq!(causes_of(&(refused + &ok), ""), wanted("possible"));
    assert!(causes_of(&ok, "").is_empty());
}

#[test]
fn what_the_tunnel_leads_to_decides_who_did_not_answer() {
    let to = |target: &str, error: &str| {
        let line = tunnel(1000, "outbound", (0, 0), error);
        causes_of(&line.replace("hbone_addr=10.8.2.1:9080", &format!("hbone_addr={target}")), "").remove(0)
    };
    let refused = "io error: Connection refused (os error 111)";
    assert!(to("10.9.0.1:80", refused).starts_with("1 waypoint-unreachable certain"));
    assert!(
        to("10.9.0.1:80", "http status: 503 Service Unavailable").starts_with("1 waypoint-refused certain")
    );
    assert!(to("cart.shop.svc.cluster.local:80", refused).starts_with("1 hbone-unreachable likely"));
    assert!(to("10.8.2.1:15006", "http status: 503 Service Unavailable").starts_with("1 bad-request likely"));
    assert!(to("10.8.2.1:9080", "http status: 503 Service Unavailable").starts_with("1 app-down likely"));
    assert!(to("10.8.2.1:9080", "a text of a later release").starts_with("1 unknown possible"));
}

#[test]
fn a_policy_made_from_a_peer_authentication_is_told_by_its_name() {
    let ends = format!(
        "src.addr=10.8.1.9:4000 dst.addr=10.8.2.1:9080 dst.service=\"guess.shop.svc.cluster.local\" {CART}"
    );
    let by = |name: &str| {
        let error = format!("connection closed due to policy rejection: explicitly denied by: {name}");
        causes_of("", &plaintext("inbound", &ends, (0, 0), &error)).remove(0)
    };
    assert_eq!(by("istio-system/istio_converted_static_strict"), "1 plaintext-to-strict certain, ? > ?:0");
    assert_eq!(by("shop/converted_peer_authentication_cart"), "1 plaintext-to-strict certain, ? > ?:0");
    // One of these names is that of an AuthorizationPolicy that somebody wrote.
    assert_eq!(
        by("shop/converted-peer-authentication"),
        "1 rbac-denied possible or rbac-denied-because-plaintext, ? > ?:0"
    );
}

#[test]
fn objects_name_the_pair_and_take_the_lines_into_their_findings() {
    let strict = "connection closed due to policy rejection: explicitly denied by: \
                  istio-system/istio_converted_static_strict";
    let ends = format!(
        "src.addr=10.8.1.9:4000 dst.addr=10.8.2.1:9080 dst.service=\"guess.shop.svc.cluster.local\" {CART}"
    );
    let (causes, found) = said(STRICT, "", &plaintext("inbound", &ends, (0, 0), strict));
    assert_eq!(causes, ["1 plaintext-to-strict certain, legacy > cart.shop.svc.cluster.local:80"]);
    assert_eq!(found, ["MS0105 Pod web/legacy"]);
    // On the host's network a pod shares its address with the node, so the caller is nobody's.
    let app = "labels: {app: legacy}}\nspec: {";
    let by_node = STRICT.replace(app, &format!("{app}hostNetwork: true, "));
    let (causes, found) = said(&by_node, "", &plaintext("inbound", &ends, (0, 0), strict));
    assert_eq!(causes, ["1 plaintext-to-strict certain, ? > cart.shop.svc.cluster.local:80"]);
    assert_eq!(found, ["MS0903 Service shop/cart"]);

    let refused = tunnel(1000, "outbound", (0, 0), "io error: Connection refused (os error 111)");
    let (causes, found) = said(STRICT, &refused, "");
    assert_eq!(
        causes,
        ["1 hbone-unreachable likely or ztunnel-stopped, curl > cart.shop.svc.cluster.local:80"]
    );
    assert_eq!(found, ["MS0304 Service shop/cart"]);

    let none = "2026-03-02T09:00:01.000000Z\twarn\taccess\tconnection failed\tsrc.addr=10.8.1.8:4000 \
                dst.addr=10.9.0.1:80 direction=\"outbound\" error=\"no healthy upstream: 10.9.0.1:80\"\n";
    let (causes, found) = said(STRICT, none, "");
    assert_eq!(causes, ["1 no-endpoints certain, curl > cart.shop.svc.cluster.local:80"]);
    assert_eq!(found, ["MS0304 Service shop/cart"]);
}

#[test]
fn plaintext_to_a_strict_sidecar_takes_the_objects_and_an_answer_clears_it() {
    let ends = format!(
        "src.addr=10.8.1.8:4000 {CURL} dst.addr=10.8.2.2:9080 dst.service=\"old.shop.svc.cluster.local\" \
         dst.workload=\"old\" dst.namespace=\"shop\""
    );
    let silent = plaintext("outbound", &ends, (79, 0), "");
    let answered = plaintext("outbound", &ends, (79, 5), "");
    let wanted = "plaintext-to-strict certain, curl > old.shop.svc.cluster.local:80";
    assert_eq!(said(STRICT, &silent, "").0, [format!("1 {wanted}")]);
    let newer = STRICT.replace(
        "name: old, namespace: shop,",
        "name: old, namespace: shop, creationTimestamp: '2026-03-02T10:00:00Z',",
    );
    let before = wanted.replace("certain", "possible or app-closed");
    assert_eq!(said(&newer, &silent, "").0, [format!("1 {before}")]);
    assert!(said(STRICT, &(silent.clone() + &answered), "").0.is_empty(), "something came back");
    assert!(said(STRICT, &plaintext("outbound", &ends, (0, 0), ""), "").0.is_empty(), "nothing was sent");
    let open = "1 app-closed possible or";
    let alone = said("", &silent, "");
    assert_eq!(alone.0, [format!("{open} plaintext-to-strict, ? > old.shop.svc.cluster.local:0")]);
    let permissive = STRICT.replace("mode: STRICT", "mode: PERMISSIVE");
    let (causes, found) = said(&permissive, &silent, "");
    assert_eq!(causes, [format!("{open} caller-gave-up, curl > old.shop.svc.cluster.local:80")]);
    // The lines tell of no failure, so nothing is found.
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn tunnels_on_which_nothing_comes_back_are_told_once() {
    let clients = |bytes| tunnel(1000, "outbound", bytes, "") + &tunnel(2000, "outbound", bytes, "");
    let servers = |bytes| tunnel(999, "inbound", bytes, "") + &tunnel(1999, "inbound", bytes, "");
    let wanted = [format!("2 app-closed possible or caller-gave-up, {HOST}")];
    assert_eq!(causes_of(&clients((80, 0)), ""), wanted);
    assert_eq!(causes_of("", &servers((0, 80))), wanted);
    assert_eq!(causes_of(&clients((80, 0)), &servers((0, 80))), wanted);
    // An answer to one of them, and nothing sent at all.
    assert!(causes_of(&(clients((80, 0)) + &tunnel(3000, "outbound", (80, 5), "")), "").is_empty());
    assert!(causes_of(&clients((0, 0)), &servers((0, 0))).is_empty());
}

#[test]
fn ztunnels_own_word_decides_why_a_side_went_away() {
    let refused = tunnel(2000, "outbound", (0, 0), "io error: Connection refused (os error 111)");
    let at = |time: &str, rest: &str| format!("2026-03-02T09:00:{time}Z\tinfo\t{rest}\t\n");
    let stops = |pod: &str| {
        at("01.000", &format!("drain:proxy{{wl={pod}}}\tshutdown complete\tcomponent=\"inbound\""))
    };
    let sigterm = at("00.990", "signal::imp\treceived signal SIGTERM, starting shutdown");
    let taken = at("00.990", "inpod::statemanager\tpod delete request, shutting down proxy\tuid=\"x\"");
    for (servers, wanted) in [
        (sigterm.clone() + &stops("shop/cart"), "1 ztunnel-stopped certain"),
        (taken.clone() + &stops("shop/cart"), "1 pod-removed certain"),
        // Another pod, no reason, or long before.
        (taken + &stops("shop/old"), "1 hbone-unreachable likely or ztunnel-stopped"),
        (stops("shop/cart"), "1 hbone-unreachable likely or ztunnel-stopped"),
        (
            (sigterm.clone() + &stops("shop/cart")).replace("T09:00", "T08:00"),
            "1 hbone-unreachable likely or ztunnel-stopped",
        ),
    ] {
        assert_eq!(causes_of(&refused, &servers), [format!("{wanted}, {HOST}")], "{servers}");
    }
    // One message decides for the lines of both sides, and is one.
    let cut = tunnel(1000, "inbound", (9, 5), "while closing connection: receive: io error: broken pipe");
    let bundle = read("", &refused, &(sigterm + &stops("shop/cart") + &cut));
    let mesh = Mesh::new(&bundle.snapshot, &Options::default());
    let causes = causes(&Locator::new(&mesh), &bundle.logs);
    assert_eq!((causes.len(), causes[0].count), (1, 2));
    let counts: Vec<_> = causes[0].evidence.iter().map(|lines| lines.count).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn what_no_policy_allows_asks_what_the_policies_want() {
    let ends = format!("src.addr=10.8.1.9:4000 dst.addr=10.8.2.1:9080 {CART}");
    let error = "connection closed due to policy rejection: allow policies exist, but none allowed";
    let line = plaintext("inbound", &ends, (0, 0), error);
    let of = |more: &str, rules: &str| {
        let policy = format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: it, namespace: shop{more}}}\nspec: {rules}\n"
        );
        let (causes, found) = said(&format!("{STRICT}{policy}").replace("STRICT", "PERMISSIVE"), "", &line);
        let cause = causes[0].split(',').next().unwrap().to_owned();
        (cause, found.iter().any(|one| one.starts_with("MS0307")))
    };
    let because = |how: &str| format!("1 rbac-denied-because-plaintext {how}");
    let named = |name: &str| format!("{{rules: [{{from: [{{source: {{principals: [{name}]}}}}]}}]}}");
    let own = named("cluster.local/ns/web/sa/default");
    assert_eq!(of("", &own), (because("certain"), true));
    assert_eq!(of("", &named("a")), (because("likely or rbac-denied"), true));
    // With an identity it would be denied as well.
    let denied = "1 rbac-denied likely or rbac-denied-because-plaintext".to_owned();
    assert_eq!(of("", &named("cluster.local/ns/zzz/sa/a")), (denied.clone(), false));
    assert_eq!(of("", "{rules: [{from: [{source: {namespaces: [foo]}}]}]}"), (denied, false));
    let newer = ", creationTimestamp: '2026-03-02T10:00:00Z'";
    assert_eq!(of(newer, &own), (because("likely or rbac-denied"), true));
    // Nobody is let in, or an identity changes nothing; rules with HTTP are dropped.
    for rules in [
        "{}",
        "{rules: [{to: [{operation: {ports: ['1']}}]}]}",
        "{rules: [{to: [{operation: {paths: [/x]}}]}]}",
    ] {
        assert_eq!(of("", rules), ("1 rbac-denied certain".to_owned(), false), "{rules}");
    }
}

/// Past every service nothing but the server's policy stands between, whichever proxy the client has (MT-4.2, MT-6.4).
#[test]
fn plaintext_from_a_captured_client_to_a_pods_address_is_the_policys_conflict() {
    let to_pod = |port: u16, back: u32| {
        let ends = format!(
            "src.addr=10.8.1.8:4000 {CURL} dst.addr=10.8.2.2:{port} dst.workload=\"old\" dst.namespace=\"shop\""
        );
        plaintext("outbound", &ends, (79, back), "")
    };
    for port in [9080, 7777] {
        let (causes, found) = said(STRICT, &to_pod(port, 0), "");
        assert_eq!(causes, ["1 plaintext-to-strict certain, curl > ?:0"]);
        assert_eq!(found, ["MS0101 PeerAuthentication istio-system/default"]);
    }
    assert_eq!(said(STRICT, &to_pod(9080, 5), ""), (Vec::new(), Vec::new()));
    let (causes, found) = said(&STRICT.replace("STRICT", "PERMISSIVE"), &to_pod(9080, 0), "");
    assert!(causes[0].starts_with("1 app-closed possible"), "{causes:?}");
    assert!(found.iter().all(|one| !one.starts_with("MS0101")), "{found:?}");
}

#[test]
fn a_policy_that_is_newer_than_silence_does_not_explain_it() {
    let ends = format!(
        "src.addr=10.8.1.8:4000 {CURL} dst.addr=10.8.2.2:9080 dst.service=\"old.shop.svc.cluster.local\" \
         dst.workload=\"old\" dst.namespace=\"shop\""
    );
    let newer = STRICT.replace(
        "namespace: istio-system}",
        "namespace: istio-system, creationTimestamp: '2026-03-02T10:00:00Z'}",
    );
    let silent = plaintext("outbound", &ends, (79, 0), "");
    assert!(said(&newer, &silent, "").0[0].starts_with("1 plaintext-to-strict possible or app-closed"));
}

/// A rule that names an identity cannot have matched plaintext; one that spares any identity matched for want of it.
#[test]
fn the_policy_by_name_tells_whether_plaintext_is_why_it_denies() {
    let ends = format!("src.addr=10.8.1.9:4000 dst.addr=10.8.2.1:9080 {CART}");
    let error = "connection closed due to policy rejection: explicitly denied by: shop/it";
    let line = plaintext("inbound", &ends, (0, 0), error);
    let of = |more: &str, spec: &str| {
        let policy = format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: it, namespace: shop{more}}}\nspec: {spec}\n"
        );
        let (causes, found) = said(&format!("{STRICT}{policy}").replace("STRICT", "PERMISSIVE"), "", &line);
        let cause = causes[0].split(',').next().unwrap().to_owned();
        (
            cause,
            found
                .iter()
                .find(|one| one.starts_with("MS03"))
                .and_then(|one| one.split(' ').next().map(str::to_owned))
                .unwrap(),
        )
    };
    let told = |cause: &str, code: &str| (cause.to_owned(), code.to_owned());
    let deny = |sources: &str| format!("{{action: DENY, rules: [{{from: [{sources}]}}]}}");
    let because = told("1 rbac-denied-because-plaintext certain", "MS0307");
    let denied = told("1 rbac-denied certain", "MS0306");
    let open = told("1 rbac-denied possible or rbac-denied-because-plaintext", "MS0306");
    assert_eq!(of("", &deny("{source: {notPrincipals: ['*']}}")), because);
    assert_eq!(of("", &deny("{source: {ipBlocks: [10.8.1.9]}}")), denied);
    // Whether the caller's identity would have been spared is not evaluated; and either rule may have matched.
    assert_eq!(of("", &deny("{source: {notNamespaces: [web]}}")), open);
    assert_eq!(of("", &deny("{source: {notPrincipals: ['*']}}, {source: {ipBlocks: [10.8.1.9]}}")), open);
    assert_eq!(of("", &deny("{source: {principals: [a]}}")), open);
    // Which ports and addresses a rule is for is not evaluated, and another server's policy was another one.
    let rule = |rule: &str| {
        format!("{{action: DENY, rules: [{{from: [{{source: {{notPrincipals: ['*']}}}}], {rule}}}]}}")
    };
    assert_eq!(of("", &rule("to: []")), because);
    assert_eq!(of("", &rule("to: [{operation: {ports: ['9999']}}]")), open);
    assert_eq!(of("", &rule("when: [{key: destination.port, values: ['9999']}]")), open);
    assert_eq!(of("", &deny("{source: {notPrincipals: ['*'], ipBlocks: [192.0.2.1]}}")), open);
    let elsewhere = |spec: &str| spec.replacen('{', "{selector: {matchLabels: {no: body}}, ", 1);
    assert_eq!(of("", &elsewhere(&rule("to: []"))), open);
    assert_eq!(of("", &elsewhere(&deny("{source: {ipBlocks: [10.8.1.9]}}"))), open);
    // As it was read it denies nothing, or did not yet when the line was written.
    let newer = ", creationTimestamp: '2026-03-02T10:00:00Z'";
    assert_eq!(of(newer, &deny("{source: {ipBlocks: [10.8.1.9]}}")), open);
    assert_eq!(of("", "{rules: [{from: [{source: {ipBlocks: [10.8.1.9]}}]}]}"), open);
}
