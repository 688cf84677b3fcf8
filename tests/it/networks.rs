//! Several networks: what is not Istio's mutual TLS does not reach the other one (MT-4.13).

use serde_json::Value;

use crate::support::meshes::{SIDECAR, istiod, json_on, object, pod, service};

const GATEWAY: &str = "---
apiVersion: v1
kind: Service
metadata: {namespace: istio-system, name: eastwest, labels: {topology.istio.io/network: far}}
spec: {type: LoadBalancer, ports: [{name: tls, port: 15443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}
";

/// A client on `near`, `reviews` with a pod on `far` and perhaps one on `near`, and a rule.
fn mesh(gateway: &str, near: bool, tls: &str) -> String {
    let pod = |path: &str, address: &str, app: &str, network: &str| {
        let labels =
            format!("app: {app}, security.istio.io/tlsMode: istio, topology.istio.io/network: {network}");
        pod(path, address, &format!("labels: {{{labels}}}"), SIDECAR)
    };
    let rule = format!("{{host: reviews, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}{tls}}}}}");
    let mut mesh = gateway.to_owned() + &service("shop/reviews", "");
    mesh += &object("DestinationRule", "shop/reviews", 1, &rule);
    mesh += &pod("web/client", "10.0.0.9", "client", "near");
    mesh += &pod("shop/reviews-far", "10.1.0.1", "reviews", "far");
    if near {
        mesh += &pod("shop/reviews-near", "10.0.0.1", "reviews", "near");
    }
    mesh
}

/// `status`, symptom and the number of endpoints for the client.
fn answer(mesh: &str) -> (String, Value, usize) {
    let rows = json_on(mesh, &["tls-check", "client.web", "svc/reviews.shop"]);
    let row = &rows["rows"][0];
    (
        row["status"].as_str().unwrap().to_owned(),
        row["symptom"].clone(),
        row["endpoints"].as_array().unwrap().len(),
    )
}

const DISABLE: &str = ", tls: {mode: DISABLE}";

#[test]
fn plaintext_does_not_reach_another_network() {
    assert_eq!(answer(&mesh(GATEWAY, false, "")), ("OK".to_owned(), Value::Null, 1));
    assert_eq!(answer(&mesh(GATEWAY, false, DISABLE)), ("CONFLICT".to_owned(), "X7".into(), 0));
    assert_eq!(answer(&mesh(GATEWAY, false, ", tls: {mode: SIMPLE}")).0, "CONFLICT");
    // What is left answers.
    assert_eq!(answer(&mesh(GATEWAY, true, DISABLE)), ("WARN".to_owned(), Value::Null, 1));
    // Without a gateway that can be reached, the other network is reached directly.
    assert_eq!(answer(&mesh("", false, DISABLE)), ("WARN".to_owned(), Value::Null, 1));
    let closed = GATEWAY.replace("ingress: [{ip: 192.0.2.9}]", "");
    assert_eq!(answer(&mesh(&closed, false, DISABLE)).0, "WARN");
}

#[test]
fn check_names_the_rule_and_what_would_mend_it() {
    let report = json_on(&mesh(GATEWAY, false, DISABLE), &["check"]);
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<_> = findings.iter().filter(|one| one["code"] == "MS0304").collect();
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0]["objects"][0]["name"], "reviews");
    assert_eq!(found[0]["edges"][0]["client"]["name"], "client");
    let after = &found[0]["remedies"][0]["changes"][0]["after"];
    assert_eq!(after["status"], "OK", "{}", found[0]["remedies"]);
    let sound = json_on(&mesh(GATEWAY, false, ""), &["check"]);
    assert!(!sound.to_string().contains("MS0304"));
}

/// The mesh configuration's object with networks, as istiod reads them.
fn described(networks: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata: {{namespace: istio-system, name: istio}}
data: {{mesh: '', meshNetworks: '{{networks: {networks}}}'}}
"
    )
}

/// istiod's namespace, with the network that it names or none.
fn system(network: &str) -> String {
    let labels = if network.is_empty() {
        String::new()
    } else {
        format!(", labels: {{topology.istio.io/network: {network}}}")
    };
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: istio-system{labels}}}\n")
}

/// A client on `near` and a server at 10.1.0.1 that says nothing of its network, with a rule that turns TLS off.
fn unlabelled(more: &str, tls: &str) -> String {
    let labels = |app: &str, network: &str| {
        format!("labels: {{app: {app}, security.istio.io/tlsMode: istio{network}}}")
    };
    let rule = format!("{{host: reviews, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}{tls}}}}}");
    more.to_owned()
        + &service("shop/reviews", "")
        + &object("DestinationRule", "shop/reviews", 1, &rule)
        + &pod("web/client", "10.0.0.9", &labels("client", ", topology.istio.io/network: near"), SIDECAR)
        + &pod("shop/reviews", "10.1.0.1", &labels("reviews", ""), SIDECAR)
}

/// Status and what is missing.
fn told(mesh: &str) -> (String, String) {
    let rows = json_on(mesh, &["tls-check", "client.web", "svc/reviews.shop"]);
    let row = &rows["rows"][0];
    (
        row["status"].as_str().unwrap().to_owned(),
        row["missing"][0]["need"].as_str().unwrap_or_default().to_owned(),
    )
}

const FAR: &str = "gateways: [{address: 192.0.2.9, port: 15443}]";

#[test]
fn ranges_of_the_mesh_configuration_name_the_network_of_an_address() {
    let mesh = |networks: &str, tls: &str| unlabelled(&(described(networks) + &system("")), tls);
    let far = format!("{{far: {{endpoints: [{{fromCidr: 10.1.0.0/16}}], {FAR}}}}}");
    assert_eq!(told(&mesh(&far, DISABLE)).0, "CONFLICT");
    assert_eq!(told(&mesh(&far, "")).0, "OK");
    // Another range, the client's own network, and no gateway: the endpoint is reached directly.
    let elsewhere = far.replace("10.1.0.0/16", "10.2.0.0/16");
    assert_eq!(told(&mesh(&elsewhere, DISABLE)).0, "WARN");
    assert_eq!(told(&mesh(&far.replace("far", "near"), DISABLE)).0, "WARN");
    assert_eq!(told(&mesh("{far: {endpoints: [{fromCidr: 10.1.0.0/16}]}}", DISABLE)).0, "WARN");
    assert_eq!(told(&mesh("{}", DISABLE)).0, "WARN");
    // Which of two ranges counts is not told; it makes no difference to what goes through either way.
    let both = format!(
        "{{far: {{endpoints: [{{fromCidr: 10.1.0.0/16}}], {FAR}}}, wide: {{endpoints: [{{fromCidr: 10.0.0.0/8}}]}}}}"
    );
    let (status, missing) = told(&mesh(&both, DISABLE));
    assert!(status == "UNKNOWN" && missing.contains("far and wide"), "{status} {missing}");
    assert_eq!(told(&mesh(&both, "")).0, "OK");
    // What an endpoint's label and istiod's namespace say comes first.
    let labelled = mesh(&far, DISABLE)
        .replace("app: reviews, security", "topology.istio.io/network: near, app: reviews, security");
    assert_eq!(told(&labelled).0, "WARN");
    assert_eq!(told(&unlabelled(&(described(&far) + &system("near")), DISABLE)).0, "WARN");
    assert_eq!(told(&unlabelled(&(described(&elsewhere) + &system("far")), DISABLE)).0, "CONFLICT");
}

#[test]
fn a_registry_of_the_mesh_configuration_is_the_cluster_of_istiod() {
    let networks = |registry: &str| format!("{{far: {{endpoints: [{{fromRegistry: {registry}}}], {FAR}}}}}");
    let mesh = |registry: &str, istiod: &str| {
        unlabelled(&(described(&networks(registry)) + &system("") + istiod), DISABLE)
    };
    let default = istiod("", "istio/pilot:1.30.0", "");
    let named = istiod("", "istio/pilot:1.30.0", "{name: CLUSTER_ID, value: east}");
    assert_eq!(told(&mesh("Kubernetes", &default)).0, "CONFLICT");
    assert_eq!(told(&mesh("Kubernetes", &named)).0, "WARN");
    assert_eq!(told(&mesh("east", &named)).0, "CONFLICT");
    for (registry, istiod) in [("Kubernetes", String::new()), ("east", String::new())] {
        let (status, missing) = told(&mesh(registry, &istiod));
        assert!(status == "UNKNOWN" && missing.contains("CLUSTER_ID"), "{status} {missing}");
    }
    // A gateway by its Service is one of this cluster's networks, and has to be reachable.
    let by_service = "{far: {endpoints: [{fromRegistry: Kubernetes}], \
                      gateways: [{registryServiceName: eastwest.istio-system.svc.cluster.local, port: 15443}]}}";
    let gateway = GATEWAY.replace(", labels: {topology.istio.io/network: far}", "");
    let closed = gateway.replace("ingress: [{ip: 192.0.2.9}]", "");
    for (gateway, istiod, wanted) in
        [(&gateway, &default, "CONFLICT"), (&closed, &default, "WARN"), (&gateway, &named, "WARN")]
    {
        let objects = described(by_service) + &system("") + istiod + gateway;
        assert_eq!(told(&unlabelled(&objects, DISABLE)).0, wanted, "{gateway}");
    }
}

#[test]
fn what_the_networks_leave_open_is_unknown_only_where_it_counts() {
    let range = |address: &str| {
        format!(
            "{{far: {{endpoints: [{{fromCidr: 10.1.0.0/16}}], gateways: [{{address: {address}, port: 15443}}]}}}}"
        )
    };
    // A gateway by name counts where istiod can resolve it.
    let objects = described(&range("gateway.test")) + &system("");
    let (status, missing) = told(&unlabelled(&objects, DISABLE));
    assert!(status == "UNKNOWN" && missing.contains("gateway.test"), "{status} {missing}");
    assert_eq!(told(&unlabelled(&objects, "")).0, "OK");
    // istiod refuses the whole for one mistake, and keeps what it had.
    let broken = described("{far: {endpoints: [{fromCidr: nowhere}]}}") + &system("");
    let (status, missing) = told(&unlabelled(&broken, DISABLE));
    assert!(status == "UNKNOWN" && missing.contains("cannot be read"), "{status} {missing}");
    assert_eq!(told(&unlabelled(&broken, "")).0, "OK");
    let report = json_on(&unlabelled(&broken, DISABLE), &["check"]);
    assert!(report.to_string().contains("data.meshNetworks.networks.far.endpoints.fromCidr"), "{report}");
    // The label of istiod's namespace comes before all that, where the namespace was read.
    let (status, missing) = told(&unlabelled(&described(&range("192.0.2.9")), DISABLE));
    assert!(status == "UNKNOWN" && missing.contains("namespace istio-system"), "{status} {missing}");
    // Of addresses that stand in entries no document tells; their own word counts.
    let entry = |network: &str| {
        let spec = format!(
            "{{hosts: [vm.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{{number: 80, name: http, \
             protocol: HTTP}}], endpoints: [{{address: 10.1.0.7{network}}}]}}"
        );
        unlabelled(&(described(&range("192.0.2.9")) + &system("")), DISABLE)
            + &object("ServiceEntry", "shop/vm", 1, &spec)
    };
    let status = |mesh: &str| {
        json_on(mesh, &["tls-check", "client.web", "vm.test"])["rows"][0]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(status(&entry("")), "UNKNOWN");
    assert_eq!(status(&entry(", network: near")), "OK");
    assert_eq!(status(&entry(", network: far")), "CONFLICT");
    // A client that is told of no network reaches everything.
    let nowhere = unlabelled(&objects, DISABLE).replace(", topology.istio.io/network: near", "");
    assert_eq!(told(&nowhere).0, "WARN");
}
