//! Plain HTTP that went to a port for TLS outside the mesh (MS0115): whoever listens there answers with bytes of TLS,
//! closes, or says 400. That the port wants TLS is told by its number or name, so it is likely and no more.

use std::sync::Arc;

use super::reset::is_reset;
use super::{Asked, Cause, Label, Proved, at_side};
use crate::correlate::age;
use crate::diagnose::Confidence;
use crate::diagnose::checks::tls_origination::plain_at_tls_port;
use crate::diagnose::finding::Role;
use crate::logs::{Group, Reporter};

impl Asked<'_> {
    /// The cause, where lines of a client show what a port for TLS makes of plaintext, and none shows that it takes it.
    pub(super) fn without_origination(&self, group: &Group) -> Option<Cause> {
        let answered = group.response_code_details.as_deref() == Some("via_upstream");
        let other = if group.reporter != Reporter::Client {
            return None;
        } else if group.flags.has("UPE") {
            Label::AppProtocolError
        } else if is_reset(group) && group.response_code == Some(503) {
            Label::AppClosed
        } else if group.response_code == Some(400) && answered && group.flags.is_empty() {
            Label::AppError
        } else {
            return None;
        };
        let place = self.locator.locate(group);
        let service = self.locator.mesh().registry.by_host(place.host.as_deref()?)?;
        let pair = age::pair_of(self.locator, &place).filter(|_| service.is_external)?;
        let (at, target) = plain_at_tls_port(service, &pair)?;
        if self.takes_plaintext(group) {
            return None;
        }
        let text = format!("{}: plain HTTP was sent to port {target}, which is one for TLS", at_side(group));
        let mut cause = self.base(group, Label::MissingTlsOrigination, Confidence::Likely, &text);
        cause.alternatives = vec![other.word()];
        cause.proof.objects.push(Proved {
            object: Arc::clone(&service.object),
            role: Role::Cause,
            field: format!("spec.ports[{at}]"),
            counted: "HTTP, at a port for TLS, and no rule originates TLS".to_owned(),
        });
        Some(cause)
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::causes;
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{UC, client, pod, read};
    use crate::resolve::{Mesh, Options};

    fn mesh(port: &str, rule: &str) -> String {
        let entry = format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: api, namespace: web}}\n\
             spec: {{hosts: [api.example.com], resolution: DNS, ports: [{port}]}}\n"
        );
        let rule = rule.replace(
            "MODE",
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: api, namespace: web}\n\
             spec: {host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}\n",
        );
        pod("web", "client", "10.8.1.8", true) + &entry + &rule
    }

    /// Label, confidence and the first alternative of the main cause, and the field that proves it.
    fn said(mesh: &str, lines: &str) -> String {
        let lines = lines.replace("cart.shop.svc.cluster.local", "api.example.com");
        let bundle = read(mesh, &lines, "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        let Some(main) = causes.first() else { return "nothing".to_owned() };
        let field = main.proof.objects.first().map(|one| one.field.as_str()).unwrap_or_default();
        let other = main.alternatives.first().copied().unwrap_or_default();
        format!("{} {} {other} {field}", main.label.word(), main.confidence.word()).trim().to_owned()
    }

    #[test]
    fn what_a_port_for_tls_makes_of_plaintext_is_told_by_the_entry() {
        let to_443 = mesh("{name: http, number: 80, protocol: HTTP, targetPort: 443}", "");
        let garbage = client(10, "502 UPE upstream_reset_before_response_started{protocol_error}", "-");
        let bad = client(10, "400 - via_upstream", "-");
        let closed = client(10, UC, "-");
        for (lines, other) in [(&garbage, "app-protocol-error"), (&bad, "app-error"), (&closed, "app-closed")]
        {
            let wanted = format!("missing-tls-origination likely {other} spec.ports[0]");
            assert_eq!(said(&to_443, lines), wanted);
        }
        // It takes plaintext, TLS is originated, or the port is none for TLS.
        let well = client(20, "200 - via_upstream", "-");
        let simple = mesh("{name: http, number: 80, protocol: HTTP, targetPort: 443}", "MODE");
        let plain = mesh("{name: http, number: 80, protocol: HTTP}", "");
        for lines in [&garbage, &bad, &closed] {
            for (mesh, lines) in [
                (&to_443, lines.clone() + &well),
                (&simple, lines.clone()),
                (&plain, lines.clone()),
                (&String::new(), lines.clone()),
            ] {
                assert!(!said(mesh, &lines).starts_with("missing-tls"), "{lines}");
            }
        }
    }
}
