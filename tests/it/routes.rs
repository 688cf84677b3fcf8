//! Routes that a VirtualService delegates: what they bring into a sidecar's scope (DR-7.4, DR-7.14).

use crate::support::meshes::{SIDECAR, json_on, object, pod, service};

/// A client whose `Sidecar` imports the host `shop.test` only, which a route sends on by a delegate of `shop`.
fn mesh(root: &str, delegate: &str) -> String {
    let root = format!("{{hosts: [shop.test], http: [{{{root}delegate: {{name: leaf, namespace: shop}}}}]}}");
    service("shop/reviews", "")
        + &pod(
            "shop/reviews",
            "10.0.0.1",
            "labels: {app: reviews, security.istio.io/tlsMode: istio}",
            SIDECAR,
        )
        + &pod("web/client", "10.0.0.9", "labels: {app: client}", SIDECAR)
        + &object("Sidecar", "web/default", 1, "{egress: [{hosts: [web/*]}]}")
        + &object("VirtualService", "web/root", 1, &root)
        + &object("VirtualService", "shop/leaf", 1, &format!("{{{delegate}}}"))
}

/// Whether the client has `reviews` in its scope.
fn is_in_scope(mesh: &str) -> bool {
    let answer = json_on(mesh, &["resolve", "client.web", "svc/reviews.shop"]);
    !answer["serviceNamespace"].is_null()
}

#[test]
fn destinations_of_a_delegate_come_into_the_scope_of_its_root() {
    let leaf = "http: [{route: [{destination: {host: reviews}}]}]";
    assert!(is_in_scope(&mesh("", leaf)));
    // Short names are those of the delegate's own namespace, and its routes of other kinds do not count.
    assert!(!is_in_scope(&mesh("", "http: [{route: [{destination: {host: reviews.web}}]}]")));
    assert!(!is_in_scope(&mesh("", "tcp: [{route: [{destination: {host: reviews}}]}]")));
    assert!(!is_in_scope(&mesh("", &format!("hosts: [other.test], {leaf}"))));
    assert!(!is_in_scope(&mesh("", &format!("exportTo: [.], {leaf}"))));
    assert!(is_in_scope(&mesh("", &format!("exportTo: [web], {leaf}"))));
    // Requests that only the delegate matches do not reach it.
    let matching = |uri: &str| format!("match: [{{uri: {{{uri}}}}}], ");
    let leaf =
        |uri: &str| format!("http: [{{{}route: [{{destination: {{host: reviews}}}}]}}]", matching(uri));
    assert!(is_in_scope(&mesh(&matching("prefix: /a"), &leaf("exact: /a/b"))));
    assert!(!is_in_scope(&mesh(&matching("exact: /a"), &leaf("prefix: /a"))));
    assert!(!is_in_scope(&mesh(&matching("regex: /a"), &leaf("prefix: /a"))));
    let from = |namespace: &str| format!("match: [{{sourceNamespace: {namespace}}}], ");
    let plain = "http: [{route: [{destination: {host: reviews}}]}]";
    assert!(is_in_scope(&mesh(&from("web"), plain)));
    assert!(!is_in_scope(&mesh(&from("api"), plain)));
    // A delegate of a delegate is none.
    let twice = mesh("", "http: [{delegate: {name: last}}]")
        + &object("VirtualService", "shop/last", 1, &format!("{{{plain}}}"));
    assert!(!is_in_scope(&twice));
}

/// How a client of `web` and a server of `shop` that wants mutual TLS stand, with other objects.
fn strict_status(more: &str) -> String {
    let server = "labels: {app: reviews, security.istio.io/tlsMode: istio}";
    let objects = service("shop/reviews", "")
        + &pod("shop/reviews", "10.0.0.1", server, SIDECAR)
        + &pod("web/client", "10.0.0.9", "labels: {app: client}", SIDECAR)
        + &object("PeerAuthentication", "shop/default", 1, "{mtls: {mode: STRICT}}")
        + more;
    let rows = json_on(&objects, &["tls-check", "client.web", "svc/reviews.shop"]);
    rows["rows"][0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_route_that_cannot_be_read_leaves_open_what_it_could_bring_into_scope() {
    let broken = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {namespace: api, name: broken}
spec: {hosts: 7}
";
    let status = |sidecar: &str| strict_status(&(sidecar.to_owned() + broken));
    // It stands in neither's namespace, and is exported to all.
    let narrow = object("Sidecar", "web/default", 1, "{egress: [{hosts: [web/*]}]}");
    assert_eq!(status(&narrow), "UNKNOWN");
    // Who imports the service itself has it whatever routes say.
    assert_eq!(status(""), "OK");
    assert_eq!(status(&object("Sidecar", "web/default", 1, "{egress: [{hosts: [shop/*]}]}")), "OK");
}

#[test]
fn a_sidecar_whose_scope_is_of_another_type_is_not_taken_for_one_without() {
    let status = |spec: &str| strict_status(&object("Sidecar", "web/default", 1, spec));
    assert_eq!(status("{egress: {hosts: [web/*]}}"), "UNKNOWN");
    assert_eq!(status("{egress: [{hosts: web/*}]}"), "UNKNOWN");
    assert_eq!(status("{inboundConnectionPool: 7}"), "OK");
}
