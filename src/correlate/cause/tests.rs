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
        // One of the endpoints takes plaintext: not the one that the lines name, if they name one of them.
        (strict(&[true, false]), two.clone(), "2 plaintext-to-strict certain"),
        (
            strict(&[true, false]),
            two.replace("10.8.2.0:9080", "10.8.2.9:9080"),
            "2 plaintext-to-strict likely or app-closed",
        ),
        (String::new(), two.clone(), "2 plaintext-to-strict possible or app-closed"),
        (mesh("ISTIO_MUTUAL", "STRICT", &[true]), two.clone(), "2 unknown possible or client-cert-untrusted"),
        (mesh("SIMPLE", "STRICT", &[true]), two.clone(), "2 no-client-cert certain"),
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
        let part = [format!("1 {label} certain"), "1 unknown possible or client-cert-untrusted".to_owned()];
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
fn a_flag_that_has_one_meaning_is_certain_and_others_name_what_else_leaves_them() {
    let alone = |what: &str, reason: &str| said("", &client(10, what, reason), "").join("; ");
    let reset = "503 URX,UF upstream_reset_before_response_started{remote_connection_failure}";
    let tls = |text: &str| format!("TLS_error:|268435581:SSL_routines:OPENSSL_internal:{text}:TLS_error_end");
    for (what, reason, wanted) in [
        ("503 UO upstream_reset_before_response_started{overflow}", "-".to_owned(), "1 overflow certain"),
        ("504 UT response_timeout", "-".to_owned(), "1 timeout certain"),
        ("0 DC downstream_remote_disconnect", "-".to_owned(), "1 caller-gave-up certain"),
        ("500 FI fault_filter_abort", "-".to_owned(), "1 fault-injected certain"),
        ("503 UH no_healthy_upstream", "-".to_owned(), "1 no-endpoints likely or outlier-ejected"),
        ("403 - via_upstream", "-".to_owned(), "1 app-error possible or rbac-denied"),
        (
            "502 UPE upstream_reset_before_response_started{protocol_error}",
            "-".to_owned(),
            "1 app-protocol-error likely or missing-tls-origination",
        ),
        (
            reset,
            "delayed_connect_error:_Connection_refused".to_owned(),
            "1 pod-unreachable likely or sidecar-killed",
        ),
        (reset, "-".to_owned(), "1 pod-unreachable possible or mtls-to-plaintext"),
        (
            reset,
            tls("CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_[spiffe://a]"),
            "1 server-san-mismatch certain",
        ),
        (reset, tls("CERTIFICATE_VERIFY_FAILED"), "1 server-cert-untrusted possible or server-san-mismatch"),
        (reset, tls("SSLV3_ALERT_HANDSHAKE_FAILURE"), "1 no-client-cert likely or tls-version-mismatch"),
        // Former proxies wrote spaces.
        (
            reset,
            "TLS error: 268436501:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED".to_owned(),
            "1 client-cert-expired certain",
        ),
        (reset, tls("SOME_NEW_ERROR"), "1 unknown possible"),
        ("400 DPE http1.codec_error", "-".to_owned(), "1 bad-request possible or mtls-to-plaintext"),
        ("400 DPE http2.some_violation", "-".to_owned(), "1 bad-request possible or mtls-to-plaintext"),
        ("431 DPE http1.headers_too_large", "-".to_owned(), "1 bad-request certain"),
        ("101 DC downstream_remote_disconnect", "-".to_owned(), ""),
        ("404 - via_upstream", "-".to_owned(), ""),
        ("200 - via_upstream", "-".to_owned(), ""),
    ] {
        assert_eq!(alone(what, &reason), wanted, "{what} {reason}");
    }
}

#[test]
fn the_servers_line_says_why_it_refused() {
    let denied = "403 - rbac_access_denied_matched_policy[ns[shop]-policy[no]-rule[0]]";
    let none = "403 - rbac_access_denied_matched_policy[none]";
    let seen = client(10, "403 - via_upstream", "-");
    let answered = "1 app-error certain";
    let maybe = "1 rbac-denied-because-plaintext possible or rbac-denied";
    for (line, wanted) in [
        (server(10, denied), "1 rbac-denied certain"),
        (server(10, none), "1 rbac-denied certain"),
        (server(10, none).replace(ISTIO_SNI, "-"), maybe),
        (server(10, denied).replace(ISTIO_SNI, "-"), "1 rbac-denied certain"),
        (server(10, "403 UAEX ext_authz_denied"), "1 ext-authz-denied certain"),
        (server(10, "403 - via_upstream"), answered),
    ] {
        assert_eq!(said("", &seen, &line), [wanted], "{line}");
        assert_eq!(said("", "", &line), [wanted], "{line}");
    }
    // A denial of another request says nothing of this one.
    let two = said("", &seen, &server(20, denied));
    assert_eq!(two, ["1 app-error possible or rbac-denied", "1 rbac-denied certain"]);
    // The client's own timeout is why the server's proxy saw it go.
    let late = client(10, "504 UT response_timeout", "-");
    let gone = server(10, "0 DC downstream_remote_disconnect");
    assert_eq!(said("", &late, &gone), ["1 timeout certain"]);
    assert_eq!(said("", "", &gone), ["1 caller-gave-up possible or timeout"]);
    assert_eq!(said("", "", &server(10, "500 - via_upstream")), ["1 app-error likely or outlier-ejected"]);
}

#[test]
fn the_time_tells_a_proxy_that_went_away_from_connections_refused_one_by_one() {
    let gone =
        |second, duration: u32| client(second, UC, "-").replace(" 0 95 3 ", &format!(" 0 95 {duration} "));
    let refused = client(
        40,
        "503 URX,UF upstream_reset_before_response_started{remote_connection_failure}",
        "delayed_connect_error:_Connection_refused",
    );
    let burst = gone(10, 5000) + &gone(12, 3000);
    let killed = "2 sidecar-killed likely or app-closed";
    assert!(
        said("", &(burst.clone() + &refused), "")
            .contains(&"3 sidecar-killed likely or app-closed".to_owned())
    );
    assert!(!said("", &burst, "").contains(&killed.to_owned()), "what came after is not known");
    // Each failed as soon as it came.
    let single = gone(10, 3) + &gone(12, 3) + &refused;
    assert!(said("", &single, "").contains(&"2 plaintext-to-strict possible or app-closed".to_owned()));
    // Before and after others went well.
    let ok = |second| client(second, "200 - via_upstream", "-");
    let among = ok(5) + &gone(10, 3) + &ok(20);
    assert_eq!(said("", &among, ""), ["1 stale-connection possible or app-closed"]);
}

#[test]
fn no_endpoint_is_told_by_the_objects_and_ejection_by_what_came_before() {
    let none = client(30, "503 UH no_healthy_upstream", "-");
    let failed = client(10, "503 - via_upstream", "-");
    let said_of =
        |mesh: &str, lines: &str| said(mesh, lines, "").into_iter().find(|line| !line.contains("app-error"));
    let ejected = Some("1 outlier-ejected likely or no-endpoints".to_owned());
    assert_eq!(said_of("", &(failed.clone() + &none)), ejected);
    // Who may be taken out stands in the rule.
    let ejecting = |servers: &[bool]| {
        mesh("ISTIO_MUTUAL", "", servers)
            .replace("trafficPolicy: {", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, ")
    };
    assert_eq!(
        said_of(&ejecting(&[true]), &none).as_deref(),
        Some("1 outlier-ejected possible or no-endpoints")
    );
    assert_eq!(said_of(&ejecting(&[true]), &(failed.clone() + &none)), ejected);
    assert_eq!(said(&ejecting(&[]), &none, ""), ["1 no-endpoints likely or outlier-ejected"]);
    // Without it nobody is, whatever came before.
    assert_eq!(said(&mesh("", "", &[]), &none, ""), ["1 no-endpoints certain"]);
    let ready = mesh("", "", &[true]);
    assert_eq!(said_of(&ready, &none).as_deref(), Some("1 no-endpoints likely or outlier-ejected"));
    assert_eq!(
        said_of(&ready, &(failed + &none)).as_deref(),
        Some("1 no-endpoints likely or outlier-ejected")
    );
}

#[test]
fn a_refusal_is_over_the_mode_at_a_sidecars_own_listener_and_nowhere_else() {
    let sound = mesh("", "STRICT", &[true]);
    let of_gateway = sound.replacen("args: [proxy, sidecar]", "args: [proxy, client]", 1);
    let of_gateway = of_gateway.replace("args: [proxy, sidecar]", "args: [proxy, router]");
    let of_gateway = of_gateway.replace("args: [proxy, client]", "args: [proxy, sidecar]");
    let open = ["1 unknown possible"];
    // Where nothing is known of either end, nothing is sure.
    assert_eq!(said("", "", &refusal(10, "-", "10.8.1.8")), ["1 plaintext-to-strict likely"]);
    for from in ["10.8.1.8", "10.8.9.9"] {
        for sni in ["-", "cart.example.com"] {
            assert_eq!(said(&of_gateway, "", &refusal(10, sni, from)), open, "{from} {sni}");
        }
    }
    let line = client(10, UC, "-");
    assert_eq!(said(&of_gateway, &line, &refusal(10, "-", "10.8.1.8")), open);
    // The listener for what leaves: the application calls from the pod's own address.
    let left = refusal(10, "-", "10.8.1.8").replace("10.8.2.0:9080", "10.9.0.1:80");
    assert_eq!(said(&sound, &left, ""), open);
}

#[test]
fn what_came_from_a_nodes_address_is_no_pods() {
    let sound = mesh("", "STRICT", &[true]);
    let by_pod = sound + &super::super::tests::pod("kube-system", "proxy", "10.0.0.7", false);
    let by_node = by_pod
        .replace("spec: {containers: [{name: app}", "spec: {hostNetwork: true, containers: [{name: app}");
    let line = refusal(10, "-", "10.0.0.7");
    assert_eq!(said(&by_pod, "", &line), ["1 plaintext-to-strict certain"]);
    assert_eq!(said(&by_node, "", &line), ["1 plaintext-to-strict likely"]);
}

#[test]
fn a_port_that_the_servers_proxy_does_not_see_refuses_nothing() {
    let sound = mesh("", "STRICT", &[true]);
    let direct = client(10, UC, "-")
        .replace(&format!("outbound|80||{}", super::super::tests::HOST), "PassthroughCluster");
    assert_eq!(said(&sound, &direct, ""), ["1 plaintext-to-strict certain"]);
    let annotated = |key: &str, ports: &str| {
        let also = format!("name: cart-0, annotations: {{traffic.sidecar.istio.io/{key}: '{ports}'}}");
        said(&sound.replace("name: cart-0", &also), &direct, "")
    };
    // The application itself is what was reached.
    let open = ["1 app-closed possible or stale-connection"];
    assert_eq!(annotated("excludeInboundPorts", "9080"), open);
    assert_eq!(annotated("includeInboundPorts", "8080"), open);
    for other in [annotated("excludeInboundPorts", "8080"), annotated("includeInboundPorts", "9080")] {
        assert_eq!(other, ["1 plaintext-to-strict certain"]);
    }
}

#[test]
fn what_was_called_past_every_service_is_judged_by_its_address() {
    let sound = mesh("", "STRICT", &[true]);
    let passed = |line: String| {
        line.replace(&format!("outbound|80||{}", super::super::tests::HOST), "PassthroughCluster")
    };
    let failed = passed(resets(&[10, 20]));
    let well = |second| passed(client(second, "200 - via_upstream", "-"));
    let elsewhere = (well(5) + &well(15) + &well(25)).replace("10.8.2.0:9080", "192.0.2.1:80");
    assert_eq!(said(&sound, &(failed.clone() + &elsewhere), ""), ["2 plaintext-to-strict certain"]);
    let open = said(&sound, &(failed + &well(5) + &well(15) + &well(25)), "");
    assert_eq!(open, ["2 stale-connection possible or app-closed"]);
}

#[test]
fn behind_a_waypoint_is_a_tunnel_and_not_yet_the_application() {
    let sound = mesh("", "STRICT", &[true]);
    let of = |what: &str| {
        let host = super::super::tests::HOST;
        let line = server(10, what).replace("inbound|9080||", &format!("inbound-vip|80|http|{host}"));
        let bundle = read(&sound, "", &line);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        let cause = causes.first().unwrap();
        assert_eq!((cause.place.host.as_deref(), cause.place.port), (Some(host), Some(80)));
        assert_eq!(cause.place.server, None);
        said(&sound, "", &line)
    };
    assert_eq!(of(UC), ["1 unknown possible or app-closed"]);
    let refused = "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}";
    assert_eq!(of(refused), ["1 hbone-unreachable possible or app-down"]);
    // The waypoint's own limit is no affair of the tunnel.
    assert_eq!(of("503 UO upstream_reset_before_response_started{overflow}"), ["1 overflow certain"]);
}
