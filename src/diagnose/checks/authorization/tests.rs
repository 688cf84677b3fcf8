//! Examples of the checks: where each holds, and where it has to stay silent.

use crate::diagnose::Finding;
use crate::diagnose::checks::examples::{diagnosis, object, pod, service, shop};

const OF_REVIEWS: &str = "selector: {matchLabels: {app: reviews}}";

fn policy(spec: &str) -> String {
    object("AuthorizationPolicy", "shop", "p", 1, spec)
}

fn all(yaml: &str, code: &str) -> Vec<Finding> {
    diagnosis(yaml).findings.into_iter().filter(|one| one.code.code() == code).collect()
}

/// The fields at which a finding is told of a policy beside the shop.
fn told(code: &str, spec: &str) -> Vec<String> {
    all(&(shop() + &policy(spec)), code).into_iter().map(|one| one.root.1).collect()
}

/// A service of the pods of reviews with a port of its own.
fn port(name: &str, number: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{namespace: shop, name: more-{number}}}\n\
         spec: {{selector: {{app: reviews}}, ports: [{{name: {name}, port: {number}}}]}}\n"
    )
}

fn captured(namespace: &str, name: &str, address: u8, labels: &str) -> String {
    pod(namespace, name, address, labels, false)
        .replace("labels: {", "annotations: {ambient.istio.io/redirection: enabled}, labels: {")
}

fn namespaces(names: &[&str]) -> String {
    let object = |name: &&str| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    names.iter().map(object).collect::<Vec<_>>().concat()
}

fn mesh_config(more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{namespace: istio-system, name: istio}}\n\
         data: {{mesh: \"{more}\"}}\n"
    )
}

#[test]
fn a_rule_that_denies_more_on_a_tcp_port_is_told_with_the_port() {
    let by_path = "{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}";
    let found = all(&(shop() + &port("tcp", 3306) + &policy(by_path)), "MS0402");
    assert_eq!(found[0].root.1, "spec.rules[0].to[0].operation.paths");
    assert!(
        found[0].message.contains("every connection there: 3306 of shop/reviews-1"),
        "{}",
        found[0].message
    );
    let with = |spec: &str| all(&(shop() + &port("tcp", 3306) + &policy(spec)), "MS0402").len();
    assert_eq!(with("{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"), 1);
    assert_eq!(with("{action: DENY, rules: [{when: [{key: 'request.headers[a]', values: [b]}]}]}"), 1);
    for silent in [
        "{action: DENY, rules: [{to: [{operation: {paths: [/a], ports: ['8080']}}]}]}",
        "{action: DENY, rules: [{to: [{operation: {paths: [/a], notPorts: ['3306']}}]}]}",
        "{action: DENY, rules: [{to: [{operation: {paths: [/a]}}], when: [{key: destination.port, values: ['8080']}]}]}",
        "{action: DENY, rules: [{to: [{operation: {ports: ['3306']}}]}]}",
        "{action: DENY, rules: [{to: [{operation: {paths: [/a], ports: ['8080']}}, {operation: {ports: ['3306']}}]}]}",
        "{action: DENY, selector: {matchLabels: {app: other}}, rules: [{to: [{operation: {paths: [/a]}}]}]}",
        "{rules: [{to: [{operation: {paths: [/a]}}]}]}",
    ] {
        assert_eq!(with(silent), 0, "{silent}");
    }
    // The proxy finds out what a port without a protocol in its name has, and HTTP is no TCP.
    for name in ["web", "http-more", "grpc"] {
        assert_eq!(all(&(shop() + &port(name, 3306) + &policy(by_path)), "MS0402").len(), 0, "{name}");
    }
    let tried = policy(by_path).replace("name: p,", "name: p, annotations: {istio.io/dry-run: 'true'},");
    assert_eq!(all(&(shop() + &port("tcp", 3306) + &tried), "MS0402").len(), 0);
}

#[test]
fn a_rule_that_allows_requests_where_all_ports_are_tcp_lets_nobody_in() {
    let tcp = (shop() + &port("tcp", 3306)).replace("{name: http, port: 80,", "{name: tcp, port: 80,");
    let get = "{rules: [{to: [{operation: {methods: [GET]}}]}]}";
    let found = all(&(tcp.clone() + &policy(get)), "MS0401");
    assert_eq!(found[0].root.1, "spec.rules[0].to[0].operation.methods");
    assert!(all(&(shop() + &port("tcp", 3306) + &policy(get)), "MS0401").is_empty());
    let at =
        |port: u16| format!("{{rules: [{{to: [{{operation: {{methods: [GET], ports: ['{port}']}}}}]}}]}}");
    assert_eq!(all(&(shop() + &port("tcp", 3306) + &policy(&at(3306))), "MS0401").len(), 1);
    for silent in [8080, 9999] {
        assert!(all(&(shop() + &port("tcp", 3306) + &policy(&at(silent))), "MS0401").is_empty());
    }
    assert!(all(&(tcp + &policy("{rules: [{from: [{source: {namespaces: [web]}}]}]}")), "MS0401").is_empty());
    // No service leads to the pods.
    assert!(all(&(pod("shop", "a-1", 1, "app: a", true) + &policy(get)), "MS0401").is_empty());
}

#[test]
fn a_policy_for_nothing_that_is_there_is_told() {
    let none = "{selector: {matchLabels: {app: reviewz}}, rules: [{}]}";
    assert_eq!(told("MS0403", none), ["spec.selector.matchLabels"]);
    let message = &all(&(shop() + &policy(none)), "MS0403")[0].message;
    assert!(message.contains("shop/reviews-1 has app=reviews, not reviewz"), "{message}");
    assert_eq!(
        told("MS0403", "{targetRefs: [{kind: Service, name: other}], rules: [{}]}"),
        ["spec.targetRefs[0]"]
    );
    assert_eq!(told("MS0403", "{targetRef: {kind: Service, name: other}, rules: [{}]}"), ["spec.targetRef"]);
    for silent in [
        &format!("{{{OF_REVIEWS}, rules: [{{}}]}}"),
        "{selector: {}, rules: [{}]}",
        "{rules: [{}]}",
        "{targetRefs: [{kind: Service, name: reviews}], rules: [{}]}",
        // Nothing was read that would tell.
        "{targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: a}], rules: [{}]}",
    ] {
        assert_eq!(told("MS0403", silent), [""; 0], "{silent}");
    }
    let root = |labels: &str| {
        let spec = format!("{{selector: {{matchLabels: {{{labels}}}}}, rules: [{{}}]}}");
        all(&(shop() + &object("AuthorizationPolicy", "istio-system", "p", 1, &spec)), "MS0403").len()
    };
    assert_eq!((root("app: client"), root("app: nobody")), (0, 1));
    // Only policies were read, or the pods come and go.
    assert!(all(&policy(none), "MS0403").is_empty());
    let job = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {namespace: shop, name: nightly}\n\
               spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: reviewz}}, spec: {containers: [{name: a}]}}}}}\n";
    assert!(all(&(shop() + job + &policy(none)), "MS0403").is_empty());
    // The pods are there, and nothing before them enforces it.
    let of_bare = policy("{selector: {matchLabels: {app: bare}}, rules: [{}]}");
    let bare = |sidecar| shop() + &pod("shop", "bare-1", 9, "app: bare", sidecar) + &of_bare;
    assert!(all(&bare(false), "MS0403")[0].message.contains("shop/bare-1"));
    assert!(all(&bare(true), "MS0403").is_empty());
    let also = bare(false) + &pod("shop", "bare-2", 10, "app: bare", true);
    assert!(all(&also, "MS0403").is_empty());
    let elsewhere = object("AuthorizationPolicy", "empty", "p", 1, none);
    assert_eq!(all(&(shop() + &elsewhere), "MS0403")[0].confidence.word(), "likely");
}

#[test]
fn an_empty_selector_selects_nothing_in_ambient_mode() {
    let yaml = captured("shop", "a-1", 1, "app: a") + &policy("{selector: {}, rules: [{}]}");
    assert_eq!(all(&yaml, "MS0403")[0].root.1, "spec.selector");
    let both = yaml + &pod("shop", "b-1", 2, "app: b", true);
    assert!(all(&both, "MS0403").is_empty());
}

#[test]
fn a_rule_for_identities_at_a_workload_that_plaintext_reaches_is_told() {
    let plain =
        object("DestinationRule", "shop", "r", 1, "{host: reviews, trafficPolicy: {tls: {mode: DISABLE}}}");
    let by_namespace = policy("{rules: [{from: [{source: {namespaces: [web]}}]}]}");
    let found = all(&(shop() + &plain + &by_namespace), "MS0404");
    assert_eq!(found[0].root.1, "spec.rules[0].from[0].source.namespaces");
    assert!(found[0].edges.iter().any(|edge| &*edge.client.1 == "client-1"));
    // Mutual TLS is sent; another rule lets plaintext in; nothing asks for an identity; another pod is meant.
    assert!(all(&(shop() + &by_namespace), "MS0404").is_empty());
    for silent in [
        "{rules: [{from: [{source: {namespaces: [web]}}]}, {to: [{operation: {paths: [/ready]}}]}]}",
        "{rules: [{to: [{operation: {paths: [/ready]}}]}]}",
        "{selector: {matchLabels: {app: other}}, rules: [{from: [{source: {namespaces: [web]}}]}]}",
        "{action: DENY, rules: [{from: [{source: {namespaces: [other]}}]}]}",
        "{action: AUDIT, rules: [{from: [{source: {namespaces: [web]}}]}]}",
    ] {
        assert!(all(&(shop() + &plain + &policy(silent)), "MS0404").is_empty(), "{silent}");
    }
    let denied = policy("{action: DENY, rules: [{from: [{source: {namespaces: [web]}}]}]}");
    assert!(all(&(shop() + &plain + &denied), "MS0404")[0].message.contains("does not match it"));
    // Plaintext does not come as far.
    let strict = object("PeerAuthentication", "shop", "s", 1, "{mtls: {mode: STRICT}}");
    assert!(all(&(shop() + &plain + &strict + &by_namespace), "MS0404").is_empty());
    let tried = by_namespace.replace("name: p,", "name: p, annotations: {istio.io/dry-run: 'true'},");
    assert!(all(&(shop() + &plain + &tried), "MS0404").is_empty());
}

#[test]
fn requests_that_no_waypoint_reads_are_told() {
    let mesh = captured("shop", "a-1", 1, "app: a") + &service("shop", "a", "") + &namespaces(&["shop"]);
    let of = |spec: &str| all(&(mesh.clone() + &policy(spec)), "MS0405");
    let said = |spec: &str| of(spec).remove(0).message;
    let get = "to: [{operation: {methods: [GET]}}]";
    assert!(said(&format!("{{rules: [{{{get}}}]}}")).contains("it lets nobody in"));
    assert!(said(&format!("{{action: DENY, rules: [{{{get}}}]}}")).contains("denies nothing"));
    let port = "{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}";
    assert!(said(port).contains("whatever the rest of it matches"));
    assert_eq!(of("{rules: [{when: [{key: connection.sni, values: [a]}]}]}").len(), 1);
    assert_eq!(of("{targetRefs: [{kind: Service, name: a}], rules: [{}]}")[0].root.1, "spec.targetRefs[0]");
    for silent in [
        "{rules: [{from: [{source: {namespaces: [web]}}], to: [{operation: {ports: ['80']}}]}]}",
        "{action: AUDIT, rules: [{to: [{operation: {methods: [GET]}}]}]}",
        "{selector: {matchLabels: {app: other}}, rules: [{to: [{operation: {methods: [GET]}}]}]}",
        "{targetRefs: [{kind: Service, name: nobody}], rules: [{}]}",
    ] {
        assert!(of(silent).is_empty(), "{silent}");
    }
    // Sidecars read it; a label names a waypoint; the labels of the namespace were not read.
    let at_sidecar = pod("shop", "a-1", 1, "app: a", true) + &policy(&format!("{{rules: [{{{get}}}]}}"));
    assert!(all(&at_sidecar, "MS0405").is_empty());
    let by_name = policy("{targetRefs: [{kind: Service, name: a}], rules: [{}]}");
    let named =
        mesh.replace("metadata: {name: shop}", "metadata: {name: shop, labels: {istio.io/use-waypoint: w}}");
    assert!(all(&(named + &by_name), "MS0405").is_empty());
    let unread = captured("shop", "a-1", 1, "app: a") + &service("shop", "a", "");
    assert!(all(&(unread + &by_name), "MS0405").is_empty());
}

#[test]
fn a_rule_that_says_only_whom_it_does_not_match_is_told() {
    for (source, field) in [
        ("notPrincipals: [cluster.local/ns/a/sa/b]", "notPrincipals"),
        ("notNamespaces: [a]", "notNamespaces"),
        ("notRequestPrincipals: [iss/sub]", "notRequestPrincipals"),
    ] {
        let spec = format!("{{rules: [{{from: [{{source: {{{source}}}}}]}}]}}");
        assert_eq!(told("MS0406", &spec), [format!("spec.rules[0].from[0].source.{field}")]);
    }
    let key = "{rules: [{when: [{key: source.namespace, notValues: [a]}]}]}";
    assert_eq!(told("MS0406", key), ["spec.rules[0].when[0].notValues"]);
    for silent in [
        // To deny whoever is not known is what such a rule is for; `*` means those without any.
        "{action: DENY, rules: [{from: [{source: {notNamespaces: [a]}}]}]}",
        "{rules: [{from: [{source: {notPrincipals: ['*']}}]}]}",
        "{rules: [{from: [{source: {notPrincipals: [a], namespaces: [b]}}]}]}",
        "{rules: [{from: [{source: {notNamespaces: [a]}}], when: [{key: source.principal, values: ['*']}]}]}",
        "{rules: [{to: [{operation: {notPaths: [/a]}}]}]}",
        "{rules: [{from: [{source: {notIpBlocks: [10.0.0.0/8]}}]}]}",
        "{selector: {matchLabels: {app: other}}, rules: [{from: [{source: {notNamespaces: [a]}}]}]}",
    ] {
        assert_eq!(told("MS0406", silent), [""; 0], "{silent}");
    }
    let strict = object("PeerAuthentication", "shop", "s", 1, "{mtls: {mode: STRICT}}");
    let by = |field: &str| {
        shop() + &strict + &policy(&format!("{{rules: [{{from: [{{source: {{{field}: [a]}}}}]}}]}}"))
    };
    assert!(all(&by("notNamespaces"), "MS0406").is_empty());
    assert_eq!(all(&by("notRequestPrincipals"), "MS0406").len(), 1);
}

#[test]
fn identities_that_nobody_can_have_are_told() {
    let read = shop() + &namespaces(&["shop", "web", "kube-system"]) + &mesh_config("trustDomain: td1");
    let of = |source: &str| {
        let spec = format!("{{rules: [{{from: [{{source: {{{source}}}}}]}}]}}");
        all(&(read.clone() + &policy(&spec)), "MS0407")
    };
    let said = |source: &str| of(source).remove(0).message;
    assert!(said("principals: [td2/ns/web/sa/default]").contains("td2 is no trust domain"));
    assert!(said("principals: [td1/ns/wbe/sa/default]").contains("no namespace wbe"));
    assert!(said("namespaces: [web, 'shp-*']").contains("no namespace shp-*"));
    assert!(said("serviceAccounts: [wbe/default]").contains("no namespace wbe"));
    assert!(said("trustDomains: [old]").contains("old is no trust domain"));
    for silent in [
        "principals: [td1/ns/web/sa/default, cluster.local/ns/web/sa/default, '*', '*/ns/web/sa/default']",
        "principals: ['td1/*', 'td*', 'td1/ns/we*']",
        "namespaces: ['w*', '*', web], notNamespaces: [shop]",
        "serviceAccounts: [default, web/default]",
        "ipBlocks: [10.0.0.1]",
    ] {
        assert!(of(silent).is_empty(), "{silent}");
    }
    // No mesh configuration, no namespaces, or not all of them: nothing tells.
    let wrong = policy("{rules: [{from: [{source: {principals: [td2/ns/wbe/sa/a]}}]}]}");
    assert!(all(&(shop() + &wrong), "MS0407").is_empty());
    assert!(all(&(shop() + &namespaces(&["shop"]) + &wrong), "MS0407").is_empty());
    let other = "---\napiVersion: v1\nkind: Secret\nmetadata: {namespace: istio-system, name: remote, \
                 labels: {istio/multiCluster: 'true'}}\n";
    let wrong = policy("{rules: [{from: [{source: {namespaces: [wbe]}}]}]}");
    assert_eq!(all(&(read.clone() + &wrong), "MS0407")[0].confidence.word(), "certain");
    assert!(all(&(read + other + &wrong), "MS0407").is_empty());
    let short = shop() + &namespaces(&["shop", "web", "istio-system"]) + &wrong;
    assert_eq!(all(&short, "MS0407")[0].confidence.word(), "likely");
    // Those of somebody's own: others are not known.
    assert!(all(&(shop() + &namespaces(&["shop", "web"]) + &wrong), "MS0407").is_empty());
}

#[test]
fn an_account_that_no_pod_has_is_told_where_accounts_were_read() {
    let wrong = policy("{rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/other]}}]}]}");
    let read = shop() + &wrong;
    let open = diagnosis(&read);
    assert!(open.findings.iter().all(|one| one.code.code() != "MS0407"));
    assert!(open.missing.iter().any(|one| one.kind == "ServiceAccount" && one.need.contains("web/other")));
    let account = |name: &str| {
        format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{namespace: web, name: {name}}}\n")
    };
    let told = all(&(read.clone() + &account("default")), "MS0407");
    assert!(told[0].message.contains("no service account web/other"));
    assert!(all(&(read + &account("default") + &account("other")), "MS0407").is_empty());
    // Of a namespace without any pod nothing is known.
    let elsewhere = policy("{rules: [{from: [{source: {serviceAccounts: [far/other]}}]}]}");
    assert!(diagnosis(&(shop() + &elsewhere)).missing.iter().all(|one| one.kind != "ServiceAccount"));
}

#[test]
fn a_host_that_misses_itself_with_a_port_is_told() {
    let of =
        |hosts: &str| told("MS0408", &format!("{{rules: [{{to: [{{operation: {{hosts: [{hosts}]}}}}]}}]}}"));
    for hosts in ["a.com", "'*.a.com'", "a.com, b.com, 'b.com:*'", "'[::1]'"] {
        assert_eq!(of(hosts), ["spec.rules[0].to[0].operation.hosts"], "{hosts}");
    }
    for hosts in [
        "'*'",
        "a.com, 'a.com:*'",
        "a.com, 'A.com:8080'",
        "'a.com*'",
        "a.com, 'a.*'",
        "'a.com:8080'",
        "'*.a.com', '*.a.com:8080'",
        "'[::1]:80'",
    ] {
        assert_eq!(of(hosts), [""; 0], "{hosts}");
    }
}

#[test]
fn what_an_empty_policy_denies_is_told() {
    let found = all(&(shop() + &policy("{}")), "MS0409");
    assert!(found[0].message.contains("every request to shop/reviews-1 is denied"), "{}", found[0].message);
    let other = object("AuthorizationPolicy", "shop", "q", 1, &format!("{{{OF_REVIEWS}, rules: [{{}}]}}"));
    let message = all(&(shop() + &policy("{}") + &other), "MS0409").remove(0).message;
    assert!(message.contains("other ALLOW policies match comes to shop/reviews-1"), "{message}");
    for silent in ["{rules: [{}]}", "{action: DENY}", "{selector: {matchLabels: {app: other}}}"] {
        assert_eq!(told("MS0409", silent), [""; 0], "{silent}");
    }
    let gateway = pod("shop", "g-1", 9, "gateway.networking.k8s.io/gateway-name: g", true)
        .replace("args: [proxy, sidecar]", "args: [proxy, router]");
    let target = "{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]}";
    assert!(all(&(gateway + &policy(target)), "MS0409")[0].message.contains("shop/g-1"));
    let tried = policy("{}").replace("name: p,", "name: p, annotations: {istio.io/dry-run: 'true'},");
    assert!(all(&(shop() + &tried), "MS0409").is_empty());
}

#[test]
fn a_template_that_envoy_refuses_is_told() {
    let of =
        |path: &str| told("MS0410", &format!("{{rules: [{{to: [{{operation: {{paths: ['{path}']}}}}]}}]}}"));
    for path in ["{*}", "a/{*}", "//{*}", "//a/{*}", "/a/{*}//"] {
        assert_eq!(of(path), ["spec.rules[0].to[0].operation.paths"], "{path}");
    }
    for path in ["/{*}", "/a/{**}/", "/{**}", "/a*", "admin", "//a"] {
        assert_eq!(of(path), [""; 0], "{path}");
    }
}

#[test]
fn an_address_of_the_callers_choice_is_told_at_sidecars() {
    let by = |source: &str| format!("{{action: DENY, rules: [{{from: [{{source: {{{source}}}}}]}}]}}");
    let remote = by("notRemoteIpBlocks: [10.0.0.0/8]");
    assert_eq!(told("MS0412", &remote), ["spec.rules[0].from[0].source.notRemoteIpBlocks"]);
    let key = "{rules: [{when: [{key: remote.ip, values: [10.0.0.1]}]}]}";
    assert_eq!(told("MS0412", key), ["spec.rules[0].when[0].values"]);
    for silent in [
        by("ipBlocks: [10.0.0.0/8]"),
        // The caller is one that writes the header itself, such as a gateway.
        by("remoteIpBlocks: [10.0.0.0/8], principals: [cluster.local/ns/istio-system/sa/gateway]"),
        "{action: AUDIT, rules: [{when: [{key: remote.ip, values: [10.0.0.1]}]}]}".to_owned(),
    ] {
        assert_eq!(told("MS0412", &silent), [""; 0], "{silent}");
    }
    let tcp = shop().replace("{name: http, port: 80,", "{name: tcp, port: 80,");
    assert!(all(&(tcp + &policy(&remote)), "MS0412").is_empty());
    let gateway = shop().replace("args: [proxy, sidecar]", "args: [proxy, router]");
    assert!(all(&(gateway + &policy(&remote)), "MS0412").is_empty());
}

#[test]
fn a_preflight_that_a_token_is_asked_of_is_told() {
    let token = "from: [{source: {requestPrincipals: ['*']}}]";
    let only = format!("{{rules: [{{{token}}}]}}");
    assert_eq!(told("MS0413", &only), ["spec.rules[0].from[0].source.requestPrincipals"]);
    let by_claim = "{rules: [{when: [{key: 'request.auth.claims[a]', values: [b]}]}]}";
    assert_eq!(told("MS0413", by_claim), ["spec.rules[0].when[0].values"]);
    let get = format!("{{rules: [{{{token}}}, {{to: [{{operation: {{methods: [GET]}}}}]}}]}}");
    assert_eq!(told("MS0413", &get).len(), 1);
    for silent in [
        format!("{{rules: [{{{token}}}, {{to: [{{operation: {{methods: [OPTIONS]}}}}]}}]}}"),
        format!("{{rules: [{{{token}}}, {{to: [{{operation: {{paths: [/a]}}}}]}}]}}"),
        "{rules: [{from: [{source: {requestPrincipals: ['*']}}, {source: {namespaces: [web]}}]}]}".to_owned(),
        format!("{{action: DENY, rules: [{{{token}}}]}}"),
    ] {
        assert_eq!(told("MS0413", &silent), [""; 0], "{silent}");
    }
    let cors = object(
        "VirtualService",
        "shop",
        "v",
        1,
        "{hosts: [reviews], http: [{corsPolicy: {allowMethods: [GET]}, route: [{destination: {host: reviews}}]}]}",
    );
    assert!(all(&(shop() + &cors + &policy(&only)), "MS0413").is_empty());
}

#[test]
fn from_and_to_in_rules_of_their_own_are_told() {
    let from = "{from: [{source: {namespaces: [web]}}]}";
    let to = "{to: [{operation: {methods: [GET]}}]}";
    assert_eq!(told("MS0414", &format!("{{rules: [{from}, {to}]}}")), ["spec.rules[1]"]);
    let both = "{from: [{source: {namespaces: [web]}}], to: [{operation: {methods: [GET]}}]}";
    for silent in [
        format!("{{rules: [{from}]}}"),
        format!("{{rules: [{both}, {to}]}}"),
        format!("{{rules: [{from}, {from}]}}"),
        format!("{{action: DENY, rules: [{from}, {to}]}}"),
        format!(
            "{{rules: [{from}, {{to: [{{operation: {{methods: [GET]}}}}], when: [{{key: source.ip, values: [10.0.0.1]}}]}}]}}"
        ),
    ] {
        assert_eq!(told("MS0414", &silent), [""; 0], "{silent}");
    }
}

#[test]
fn what_validation_refuses_is_told_with_its_field() {
    let said = |spec: &str| {
        let found = all(&policy(spec), "MS0902");
        found.into_iter().map(|one| one.root.1).collect::<Vec<_>>().join(" ")
    };
    for (spec, field) in [
        ("{action: DENY}", "spec.rules"),
        ("{action: CUSTOM, rules: [{}]}", "spec.provider.name"),
        ("{provider: {name: a}}", "spec.provider"),
        ("{selector: {}, targetRefs: [{kind: Service, name: a}]}", "spec"),
        ("{targetRefs: [{kind: Deployment, name: a}]}", "spec.targetRefs"),
        ("{rules: [{from: [{}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {principals: []}}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {principals: ['']}}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {ipBlocks: [bogus]}}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}", "spec.rules.from.source"),
        ("{rules: [{from: [{source: {trustDomains: ['*a*']}}]}]}", "spec.rules.from.source"),
        ("{rules: [{to: [{}]}]}", "spec.rules.to.operation"),
        ("{rules: [{to: [{operation: {ports: ['70000']}}]}]}", "spec.rules.to.operation"),
        ("{rules: [{to: [{operation: {paths: ['/a{*}']}}]}]}", "spec.rules.to.operation"),
        ("{rules: [{when: [{key: source.ip}]}]}", "spec.rules.when"),
        ("{rules: [{when: [{key: source.pod, values: [a]}]}]}", "spec.rules.when.key"),
        ("{rules: [{when: [{key: request.headers, values: [a]}]}]}", "spec.rules.when.key"),
        ("{rules: [{when: [{key: destination.port, values: [a]}]}]}", "spec.rules.when"),
        (
            "{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {namespaces: [a]}}]}]}",
            "spec.rules.from.source",
        ),
    ] {
        assert_eq!(said(spec), field, "{spec}");
    }
    for spec in [
        "{}",
        "{action: DENY, rules: [{}]}",
        "{action: CUSTOM, provider: {name: a}, rules: [{to: [{operation: {paths: [/a]}}]}]}",
        "{rules: [{from: [], to: [], when: []}]}",
        "{rules: [{to: [{operation: {paths: ['/{**}', admin], methods: [get], ports: ['080']}}]}]}",
        "{rules: [{when: [{key: 'request.headers[a]', values: [b]}, {key: 'request.auth.claims[a][b]', notValues: [c]}]}]}",
        "{selector: {matchLabels: {app: a}}, targetRefs: []}",
    ] {
        assert_eq!(said(spec), "", "{spec}");
    }
    let tried = policy("{action: AUDIT, rules: [{}]}")
        .replace("name: p,", "name: p, annotations: {istio.io/dry-run: 'true'},");
    assert_eq!(all(&tried, "MS0902").len(), 1);
    let odd = policy("{}").replace("name: p,", "name: p, annotations: {istio.io/dry-run: 'yes'},");
    assert_eq!(all(&odd, "MS0902")[0].root.1, "metadata.annotations.istio.io/dry-run");
}
