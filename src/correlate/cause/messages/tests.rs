//! When messages are told, and when they are not.

use crate::correlate::cause::causes;
use crate::correlate::tests::{UC, client, mesh, read};
use crate::correlate::{Locator, findings};
use crate::resolve::{Mesh, Options};

const LOST: &str = "warning\tenvoy config\tStreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection \
                    error: desc = \"transport: Error while dialing: dial tcp 10.9.9.9:15012: connect: connection refused\"";
const HEARD: &str = "info\txdsproxy\tconnected to upstream XDS server: istiod.istio-system.svc:15012";
const REFUSED: &str = "warning\tenvoy config\tgRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: \
                       Error adding/updating listener(s) virtualInbound: no such field";
const NO_CERTIFICATE: &str = "warn\tsds\tfailed to warm certificate: failed to generate workload certificate: create \
                              certificate: rpc error: code = Unavailable desc = connection error";
const CERTIFICATE: &str = "info\tcache\tgenerated new workload certificate\tlatency=110ms ttl=23h59m59s";

/// Causes and findings of messages of the client's proxy, each a second after the one before.
fn said(objects: &str, messages: &[&str]) -> (Vec<String>, Vec<String>) {
    let line =
        |(second, message): (usize, &&str)| format!("2026-03-02T09:00:{second:02}.000000Z\t{message}\n");
    let text: String = messages.iter().enumerate().map(line).collect();
    let bundle = read(objects, &text, "");
    assert_eq!((bundle.logs.lines().parsed, bundle.logs.lines().other), (0, messages.len() as u64));
    let mesh = Mesh::new(&bundle.snapshot, &Options::default());
    let locator = Locator::new(&mesh);
    let causes = causes(&locator, &bundle.logs);
    let cause = |cause: &crate::correlate::Cause| {
        format!("{} {} {}", cause.count, cause.label.word(), cause.confidence.word())
    };
    let (found, _) = findings(&locator, Vec::new(), &causes);
    let found =
        found.iter().map(|one| format!("{} {} {}", one.code.code(), one.confidence.word(), one.root.0));
    (causes.iter().map(cause).collect(), found.collect())
}

#[test]
fn trouble_is_told_unless_it_is_over_or_happened_once() {
    let sound = mesh("", "STRICT", &[true]);
    let causes = |messages: &[&str]| said(&sound, messages).0;
    assert_eq!(causes(&[LOST, LOST, LOST]), ["3 control-plane-unreachable likely"]);
    assert_eq!(causes(&[HEARD, LOST, LOST]), ["2 control-plane-unreachable likely"]);
    assert!(causes(&[LOST, LOST, HEARD]).is_empty(), "it came back");
    let delta = HEARD.replace("connected to", "connected to delta");
    assert!(causes(&[LOST, LOST, &delta]).is_empty(), "it came back, by the protocol of changes");
    assert!(causes(&[LOST, "info\tapp\tready"]).is_empty(), "once is no trouble");
    assert_eq!(causes(&[REFUSED]), ["1 control-plane-mismatch certain"]);
    assert_eq!(causes(&[NO_CERTIFICATE]), ["1 certificate-not-delivered possible"]);
    assert_eq!(causes(&[NO_CERTIFICATE, NO_CERTIFICATE]), ["2 certificate-not-delivered likely"]);
    assert!(causes(&[NO_CERTIFICATE, NO_CERTIFICATE, CERTIFICATE]).is_empty());
}

#[test]
fn a_certificate_for_one_identity_is_none_for_another() {
    let sound = mesh("", "STRICT", &[true]);
    let causes = |messages: &[&str]| said(&sound, messages).0;
    let failed =
        "warn\tidentity::manager\tcertificate fetch failed (1): PermissionDenied id=spiffe://c/ns/web/sa/a";
    let own = "debug\tidentity::manager\tcertificate fetch succeeded id=spiffe://c/ns/web/sa/a";
    let others = own.replace("sa/a", "sa/b");
    let told = ["2 certificate-not-delivered likely"];
    assert_eq!(causes(&[failed, failed]), told);
    assert_eq!(causes(&[failed, failed, &others]), told);
    assert_eq!(causes(&[own, failed, failed, &others]), told);
    assert!(causes(&[failed, failed, own]).is_empty());
    // It may well be the same one, where either does not say which.
    assert!(causes(&[failed, failed, CERTIFICATE]).is_empty());
    assert!(causes(&[NO_CERTIFICATE, NO_CERTIFICATE, &others]).is_empty());
}

#[test]
fn a_success_counts_also_where_too_many_identities_are_told_of() {
    let line = |micros: u32, what: &str, identity: u32| {
        let level = "identity::manager\tcertificate fetch";
        format!("2026-03-02T09:00:00.{micros:06}Z\twarn\t{level} {what} id=spiffe://c/ns/web/sa/{identity}\n")
    };
    let causes = |last: &str| {
        let failed = line(0, "failed (1): denied", 9999) + &line(1, "failed (1): denied", 9999);
        let others: String = (0..4096).map(|at| line(2, "failed (1): denied", at)).collect();
        let bundle = read("", &(failed + &others + last), "");
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        causes.iter().map(|cause| cause.count).sum::<u64>()
    };
    assert_eq!(causes(""), 4097, "one more is not kept apart");
    assert_eq!(causes(&line(3, "succeeded", 9999)), 0, "whose it is was not kept");
}

#[test]
fn each_has_its_finding_about_the_pod_that_wrote_it() {
    let sound = mesh("", "STRICT", &[true]);
    assert_eq!(said(&sound, &[REFUSED]).1, ["MS0905 certain Pod web/client"]);
    assert_eq!(said("", &[REFUSED, LOST, LOST]).1, ["MS0905 certain Pod web/client"]);
    assert_eq!(said(&sound, &[NO_CERTIFICATE, NO_CERTIFICATE]).1, ["MS0301 likely Pod web/client"]);
    assert!(said(&sound, &[HEARD, CERTIFICATE]).1.is_empty());
}

#[test]
fn what_failed_comes_before_what_proxies_say_of_themselves() {
    let line = |second: u32| format!("2026-03-02T09:00:{second:02}.000000Z\t{LOST}\n");
    let text: String = (0..9).map(line).collect::<String>() + &client(10, UC, "-");
    let bundle = read("", &text, "");
    let mesh = Mesh::new(&bundle.snapshot, &Options::default());
    let causes = causes(&Locator::new(&mesh), &bundle.logs);
    let labels: Vec<_> = causes.iter().map(|cause| cause.label.word()).collect();
    assert_eq!(labels, ["plaintext-to-strict", "control-plane-unreachable"]);
}
