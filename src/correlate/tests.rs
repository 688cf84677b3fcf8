//! Small meshes and the lines that proxies write, for the tests of this layer.

use std::path::PathBuf;

use crate::bundle::{self, Bundle, Path, Request};
use crate::logs::PodName;

pub(super) const UC: &str = "503 UC upstream_reset_before_response_started{connection_termination}";
pub(super) const HOST: &str = "cart.shop.svc.cluster.local";
pub(super) const ISTIO_SNI: &str = "outbound_.80_._.cart.shop.svc.cluster.local";

pub(super) fn pod(namespace: &str, name: &str, address: &str, proxy: bool) -> String {
    let (label, container) = if proxy {
        (", security.istio.io/tlsMode: istio", "{name: istio-proxy, args: [proxy, sidecar]}")
    } else {
        ("", "{name: app}")
    };
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {namespace}{label}}}}}\n\
         spec: {{containers: [{container}]}}\n\
         status: {{phase: Running, podIP: {address}, conditions: [{{type: Ready, status: 'True'}}]}}\n"
    )
}

/// A client in `web`, a service in `shop`, and what their policies say.
pub(super) fn mesh(rule: &str, policy: &str, servers: &[bool]) -> String {
    let mut parts = vec![pod("web", "client", "10.8.1.8", true)];
    for (at, proxy) in servers.iter().enumerate() {
        parts.push(pod("shop", &format!("cart-{at}"), &format!("10.8.2.{at}"), *proxy));
    }
    parts.push(
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\n\
         spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 9080}]}\n"
            .to_owned(),
    );
    if !rule.is_empty() {
        parts.push(format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r, namespace: shop}}\n\
             spec: {{host: cart, trafficPolicy: {{tls: {{mode: {rule}}}}}}}\n"
        ));
    }
    if !policy.is_empty() {
        parts.push(format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
             metadata: {{name: default, namespace: shop}}\nspec: {{mtls: {{mode: {policy}}}}}\n"
        ));
    }
    parts.concat()
}

/// A line of the client: the second it was written, code with flags and details, transport reason. Its request id and
/// its port are made from the second.
pub(super) fn client(second: u32, what: &str, reason: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.000Z] \"GET / HTTP/1.1\" {what} - \"{reason}\" 0 95 3 - \"-\" \"curl\" \"id-{second}\" \
         \"cart\" \"10.8.2.0:9080\" outbound|80||{HOST} 10.8.1.8:{} 10.9.0.1:80 10.8.1.8:5000 - default\n",
        40000 + second
    )
}

/// The server's line for the same request.
pub(super) fn server(second: u32, what: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.001Z] \"GET / HTTP/1.1\" {what} - \"-\" 0 95 1 - \"-\" \"curl\" \"id-{second}\" \"cart\" \
         \"10.8.2.0:9080\" inbound|9080|| 127.0.0.6:4000 10.8.2.0:9080 10.8.1.8:{} {ISTIO_SNI} default\n",
        40000 + second
    )
}

/// The server's line for a connection that it refused, from the address of a client.
pub(super) fn refusal(second: u32, sni: &str, from: &str) -> String {
    format!(
        "[2026-03-02T09:00:{second:02}.001Z] \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" \
         - - 10.8.2.0:9080 {from}:{} {sni} -\n",
        40000 + second
    )
}

/// What is read of a mesh, the client's log and the log of the first server.
pub(super) fn read(mesh: &str, clients: &str, servers: &str) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths = if mesh.is_empty() { Vec::new() } else { vec![Path::File(file("mesh.yaml", mesh))] };
    let log = |namespace: &str, name: &str, text: &str| {
        let pod = PodName { namespace: namespace.into(), name: name.into() };
        (file(name, text), pod)
    };
    let logs = vec![log("web", "client", clients), log("shop", "cart-0", servers)];
    bundle::read(&Request { paths, logs }).unwrap()
}
