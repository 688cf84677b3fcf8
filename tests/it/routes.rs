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
