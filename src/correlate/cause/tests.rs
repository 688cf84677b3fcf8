//! Each branch of the decision, on small meshes and the lines that proxies write.

use super::super::tests::{ISTIO_SNI, UC, client, mesh, read, refusal, server};
use super::*;
use crate::resolve::{Mesh, Options};

fn said(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
    let bundle = read(mesh, clients, servers);
    let mesh = Mesh::new(&bundle.snapshot, &Options::default());
    let causes = causes(&Locator::new(&mesh), &bundle.logs);
    let said = causes.iter().map(|cause| {
        let confidence = format!("{:?}", cause.confidence).to_lowercase();
        let first = cause.alternatives.first().map(|first| format!(" or {first}")).unwrap_or_default();
        format!("{} {} {confidence}{first}", cause.count, cause.label.word())
    });
    let mut said: Vec<_> = said.collect();
    said.sort();
    said
}

fn resets(seconds: &[u32]) -> String {
    seconds.iter().map(|second| client(*second, UC, "-")).collect()
}

#[test]
fn a_reset_is_what_the_configuration_says_it_is() {
    let ok = |second| client(second, "200 - via_upstream", "-");
    let two = resets(&[10, 20]);
    let strict = |servers: &[bool]| mesh("DISABLE", "STRICT", servers);
    for (mesh, lines, wanted) in [
        (strict(&[true]), two.clone(), "2 plaintext-to-strict certain"),
        (strict(&[true]), two.clone() + &ok(5), "2 plaintext-to-strict certain"),
        // What succeeds later says that the proxies have something else.
        (strict(&[true]), two.clone() + &ok(30), "2 plaintext-to-strict possible or app-closed"),
        // One of the endpoints takes plaintext.
        (strict(&[true, false]), two.clone(), "2 plaintext-to-strict likely or app-closed"),
        (String::new(), two.clone(), "2 plaintext-to-strict possible or app-closed"),
        (mesh("ISTIO_MUTUAL", "STRICT", &[true]), two.clone(), "2 unknown possible or app-closed"),
        (mesh("SIMPLE", "STRICT", &[true]), two.clone(), "2 unknown possible or no-client-cert"),
        (mesh("DISABLE", "", &[false]), two.clone(), "2 app-closed likely or stale-connection"),
        (mesh("DISABLE", "STRICT", &[]), two, "2 unknown possible or app-closed"),
    ] {
        assert_eq!(said(&mesh, &lines, ""), [wanted], "{mesh}");
    }
}

#[test]
fn the_servers_refusal_proves_the_lines_it_is_joined_to_and_no_other() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
    let two = resets(&[10, 20]);
    for (sni, label) in [
        ("-", "plaintext-to-strict"),
        ("cart.example.com", "non-istio-tls-to-permissive"),
        (ISTIO_SNI, "mtls-to-plaintext"),
    ] {
        let (one, both) = (refusal(10, sni, "10.8.1.8"), refusal(20, sni, "10.8.1.8"));
        assert_eq!(said(&sound, &two, &(one.clone() + &both)), [format!("2 {label} certain")]);
        let part = [format!("1 {label} certain"), "1 unknown possible or app-closed".to_owned()];
        assert_eq!(said(&sound, &two, &one), part);
        assert_eq!(said("", &two, &(one + &both)), [format!("2 {label} certain")]);
    }
}

#[test]
fn a_refusal_alone_is_proved_where_the_caller_is_known() {
    let sound = mesh("", "STRICT", &[true]);
    for (sni, from, wanted) in [
        ("-", "10.8.1.8", "1 plaintext-to-strict certain"),
        ("-", "10.8.9.9", "1 plaintext-to-strict likely"),
        ("cart.example.com", "10.8.1.8", "1 non-istio-tls-to-permissive likely"),
        (ISTIO_SNI, "10.8.1.8", "1 unknown possible"),
    ] {
        assert_eq!(said(&sound, "", &refusal(10, sni, from)), [wanted]);
    }
}

#[test]
fn an_answer_that_is_no_tls_blames_whose_tls_it_was() {
    let wrong = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";
    let line =
        client(10, "503 URX,UF upstream_reset_before_response_started{remote_connection_failure}", wrong);
    for (mesh, wanted) in [
        (mesh("ISTIO_MUTUAL", "", &[false]), "1 mtls-to-plaintext certain"),
        (mesh("ISTIO_MUTUAL", "DISABLE", &[true]), "1 mtls-to-plaintext certain"),
        (mesh("SIMPLE", "", &[false]), "1 non-istio-tls-to-permissive likely or mtls-to-plaintext"),
        (mesh("DISABLE", "", &[false]), "1 mtls-to-plaintext likely or non-istio-tls-to-permissive"),
        (String::new(), "1 mtls-to-plaintext likely or non-istio-tls-to-permissive"),
    ] {
        assert_eq!(said(&mesh, &line, ""), [wanted], "{mesh}");
    }
}

#[test]
fn an_application_that_closes_is_proved_by_its_own_proxy() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
    let answered = client(10, "503 - via_upstream", "-");
    let closed = server(10, UC);
    let well = server(30, "200 - via_upstream");
    let certain = "1 app-closed certain";
    let likely = "1 app-closed likely or stale-connection";
    assert_eq!(said(&sound, &answered, ""), ["1 app-error possible or app-closed"]);
    assert_eq!(said(&sound, &answered, &closed), [certain], "counted once");
    assert_eq!(said(&sound, &answered, &(closed.clone() + &well)), [likely]);
    assert_eq!(said(&sound, "", &closed), [certain]);
    assert_eq!(said(&sound, "", &(closed.clone() + &well)), [likely]);
    assert_eq!(said("", &answered, &closed), [certain], "no object is needed for it");
    // The line of another request proves nothing.
    let other = client(20, "503 - via_upstream", "-");
    let both = [certain, "1 app-error possible or app-closed"];
    assert_eq!(said(&sound, &other, &closed), both);
}

#[test]
fn everything_else_is_not_known() {
    let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
    for what in ["503 UH no_healthy_upstream", "503 NR route_not_found", "504 UT response_timeout"] {
        assert_eq!(said(&sound, &client(10, what, "-"), ""), ["1 unknown possible"], "{what}");
        assert_eq!(said(&sound, "", &server(10, what)), ["1 unknown possible"], "{what}");
    }
    for what in ["200 - via_upstream", "404 - via_upstream", "403 - rbac_access_denied_matched_policy[none]"]
    {
        assert!(said(&sound, &client(10, what, "-"), &server(10, what)).is_empty(), "{what}");
    }
}
