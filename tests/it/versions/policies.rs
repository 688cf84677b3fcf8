//! The policies of before Istio 1.6 (MT-9): which is in force, what it makes of automatic mutual TLS, and where nothing
//! tells.

use super::{HOST, mesh, mesh_config, pair};
use crate::support::meshes::{object, policy_of_2019};

/// What the client sends, what the server demands, and whether the two agree, in a version.
type Answer = (&'static str, &'static str, &'static str, &'static str);

fn in_force(rows: &[(&str, &[&String], &[Answer])]) {
    for (what, objects, answers) in rows {
        let objects: String = objects.iter().map(|text| text.as_str()).collect();
        for (version, sent, demanded, status) in *answers {
            let pair = pair(&mesh(version, &objects), "web", HOST, None).unwrap();
            let got = (pair.effective.unwrap().word(), pair.server.mode.as_str(), pair.status.word());
            let works = if got.2 == "WARN" { "OK" } else { got.2 };
            assert_eq!((got.0, got.1, works), (*sent, *demanded, *status), "{what} ({version})");
            assert_eq!(pair.missing.is_empty(), works != "UNKNOWN", "{what} ({version})");
        }
    }
}

/// MT-9.
#[test]
fn policies_of_2019_are_in_force_up_to_1_5() {
    let strict = policy_of_2019("/default", 0, "{peers: [{mtls: {}}]}");
    let open = policy_of_2019("/default", 0, "{peers: [{mtls: {mode: PERMISSIVE}}]}");
    let none = policy_of_2019("shop/default", 0, "{}");
    let named = policy_of_2019("shop/x", 0, "{targets: [{name: reviews}], peers: [{mtls: null}]}");
    let port = policy_of_2019("shop/w", 0, "{targets: [{name: reviews, ports: [{number: 80}]}]}");
    let auto = mesh_config("enableAutoMtls: true");
    in_force(&[
        (
            "nothing at all",
            &[],
            &[
                ("1.1", "plaintext", "DISABLE", "OK"),
                ("1.4", "plaintext", "DISABLE", "OK"),
                ("1.5", "plaintext", "PERMISSIVE", "OK"),
                ("1.6", "istio-mutual", "PERMISSIVE", "OK"),
            ],
        ),
        (
            "the mesh's",
            &[&strict],
            &[
                ("1.1", "plaintext", "STRICT", "CONFLICT"),
                ("1.5", "plaintext", "STRICT", "CONFLICT"),
                ("1.6", "istio-mutual", "PERMISSIVE", "OK"),
            ],
        ),
        ("a permissive mesh", &[&open], &[("1.3", "plaintext", "PERMISSIVE", "OK")]),
        ("a namespace without", &[&strict, &none], &[("1.2", "plaintext", "DISABLE", "OK")]),
        ("a service with", &[&none, &named], &[("1.4", "plaintext", "STRICT", "CONFLICT")]),
        ("a port without", &[&named, &port], &[("1.4", "plaintext", "DISABLE", "OK")]),
        (
            "automatic mTLS follows the policy",
            &[&strict, &auto],
            &[
                ("1.3", "plaintext", "STRICT", "CONFLICT"),
                ("1.4", "istio-mutual", "STRICT", "OK"),
                ("1.5", "istio-mutual", "STRICT", "OK"),
            ],
        ),
        (
            "and where there is none, there is no mTLS",
            &[&auto],
            &[("1.4", "plaintext", "DISABLE", "OK"), ("1.5", "istio-mutual", "PERMISSIVE", "OK")],
        ),
    ]);
}

#[test]
fn which_policy_of_2019_counts_is_open_where_nothing_tells() {
    let open = policy_of_2019("/default", 0, "{peers: [{mtls: {mode: PERMISSIVE}}]}");
    let named = policy_of_2019("shop/x", 0, "{targets: [{name: reviews}], peers: [{mtls: null}]}");
    let labels = policy_of_2019("shop/l", 0, "{targets: [{labels: {app: reviews}}]}");
    let other_labels = policy_of_2019("shop/l", 0, "{targets: [{labels: {app: other}}]}");
    let two = named + &policy_of_2019("shop/z", 0, "{targets: [{name: reviews}]}");
    in_force(&[
        (
            "labels select from 1.2 on",
            &[&open, &labels],
            &[
                ("1.1", "plaintext", "PERMISSIVE", "OK"),
                ("1.2", "plaintext", "UNKNOWN", "UNKNOWN"),
                ("1.5", "plaintext", "UNKNOWN", "UNKNOWN"),
            ],
        ),
        ("labels of others", &[&open, &other_labels], &[("1.2", "plaintext", "PERMISSIVE", "OK")]),
        (
            "which is found first",
            &[&two],
            &[("1.3", "plaintext", "UNKNOWN", "UNKNOWN"), ("1.4", "plaintext", "STRICT", "CONFLICT")],
        ),
    ]);
}

#[test]
fn both_kinds_of_policy_are_known_to_1_5_and_the_newer_wins() {
    let strict = policy_of_2019("/default", 0, "{peers: [{mtls: {}}]}");
    let open = policy_of_2019("/default", 0, "{peers: [{mtls: {mode: PERMISSIVE}}]}");
    let named = policy_of_2019("shop/x", 0, "{targets: [{name: reviews}], peers: [{mtls: null}]}");
    let beta = object("PeerAuthentication", "shop/default", 1, "{mtls: {mode: STRICT}}");
    let beta_open = object("PeerAuthentication", "istio-system/default", 1, "{mtls: {mode: PERMISSIVE}}");
    let unset = object("PeerAuthentication", "shop/default", 1, "{}");
    let selecting = object(
        "PeerAuthentication",
        "shop/s",
        1,
        "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}",
    );
    in_force(&[
        (
            "the newer kind came with 1.5",
            &[&open, &beta],
            &[("1.4", "plaintext", "PERMISSIVE", "OK"), ("1.5", "plaintext", "STRICT", "CONFLICT")],
        ),
        (
            "also that of the mesh over a service's",
            &[&named, &beta_open],
            &[("1.4", "plaintext", "STRICT", "CONFLICT"), ("1.5", "plaintext", "PERMISSIVE", "OK")],
        ),
        (
            "one without mode, beside an older policy that differs",
            &[&strict, &unset],
            &[("1.4", "plaintext", "STRICT", "CONFLICT"), ("1.5", "plaintext", "UNKNOWN", "UNKNOWN")],
        ),
        (
            "one that selects, beside an older policy that differs",
            &[&open, &selecting],
            &[("1.4", "plaintext", "PERMISSIVE", "OK"), ("1.5", "plaintext", "UNKNOWN", "UNKNOWN")],
        ),
        (
            "one that selects, alone",
            &[&selecting],
            &[("1.4", "plaintext", "DISABLE", "OK"), ("1.5", "plaintext", "STRICT", "CONFLICT")],
        ),
    ]);
}
