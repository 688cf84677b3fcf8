use super::*;
use crate::diagnose::checks::examples::object;
use crate::resolve::Options;

/// The mode on a port of a workload of `shop` with `app: a`, and the entry that is lost.
fn demanded(policies: &[(&str, &str, u8, &str)], port: u16) -> (String, Option<Lost>) {
    demanded_in("shop", policies, port)
}

fn demanded_in(namespace: &str, policies: &[(&str, &str, u8, &str)], port: u16) -> (String, Option<Lost>) {
    let yaml: String = policies
        .iter()
        .map(|(namespace, name, age, spec)| object("PeerAuthentication", namespace, name, *age, spec))
        .collect();
    let snapshot = crate::diagnose::checks::examples::snapshot(&yaml);
    let config = Config::new(&snapshot, &Options::default());
    let policies = AmbientPolicies::new(&snapshot, &config, Ages::MissingIsOldest);
    let labels = Labels::from_pairs(vec![("app".into(), "a".into())]);
    let found = policies.on_port(namespace, &labels, port);
    (found.demand.mode.word().to_owned(), found.lost.map(|(lost, _)| lost))
}

const ROOT: &str = "istio-system";
const STRICT: &str = "{mtls: {mode: STRICT}}";
const A: &str = "selector: {matchLabels: {app: a}}";

fn strict() -> (String, Option<Lost>) {
    ("STRICT".to_owned(), None)
}

fn open() -> (String, Option<Lost>) {
    ("PERMISSIVE".to_owned(), None)
}

#[test]
fn the_table_of_conversions_row_by_row() {
    let mesh = (ROOT, "d", 1, STRICT);
    // A1, A2
    assert_eq!(demanded(&[mesh], 8080), strict());
    assert_eq!(demanded(&[mesh, ("shop", "all", 2, "{mtls: {mode: DISABLE}}")], 8080), open());
    // A3
    let w = format!("{{{A}, mtls: {{mode: STRICT}}, portLevelMtls: {{8080: {{mode: PERMISSIVE}}}}}}");
    assert_eq!(demanded(&[("shop", "w", 1, &w)], 8080), open());
    assert_eq!(demanded(&[("shop", "w", 1, &w)], 9090), strict());
    // A4
    let w = format!("{{{A}, portLevelMtls: {{8080: {{mode: PERMISSIVE}}}}}}");
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 8080), open());
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 9090), strict());
    // A5: the port stays strict, unless another entry is PERMISSIVE.
    let w = format!("{{{A}, portLevelMtls: {{8080: {{mode: DISABLE}}}}}}");
    let lost = ("STRICT".to_owned(), Some(Lost::Exception));
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 8080), lost);
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 9090), strict());
    let w = format!("{{{A}, portLevelMtls: {{8080: {{mode: DISABLE}}, 9090: {{mode: PERMISSIVE}}}}}}");
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 8080), open());
    // A6
    let w = format!("{{{A}, mtls: {{mode: PERMISSIVE}}, portLevelMtls: {{8080: {{mode: STRICT}}}}}}");
    assert_eq!(demanded(&[("shop", "w", 1, &w)], 8080), strict());
    assert_eq!(demanded(&[("shop", "w", 1, &w)], 9090), open());
    // A7, and the namespace's policy that makes it sound again.
    let lost = ("PERMISSIVE".to_owned(), Some(Lost::Strict));
    assert_eq!(demanded(&[mesh, ("shop", "w", 2, &w)], 8080), lost);
    assert_eq!(demanded(&[mesh, ("shop", "all", 2, "{mtls: {}}"), ("shop", "w", 3, &w)], 8080), lost);
    let namespace = ("shop", "all", 2, "{mtls: {mode: PERMISSIVE}}");
    assert_eq!(demanded(&[mesh, namespace, ("shop", "w", 3, &w)], 8080), strict());
    assert_eq!(demanded(&[("shop", "all", 2, STRICT), ("shop", "w", 3, &w)], 8080), strict());
}

/// Recorded conversions of a real istiod: the names are those of the recording.
#[test]
fn recorded_conversions() {
    let z0104 = [
        ("shop", "pa1", 1, STRICT),
        (
            "shop",
            "pa2",
            2,
            &*format!("{{{A}, portLevelMtls: {{8080: {{mode: STRICT}}, 9090: {{mode: PERMISSIVE}}}}}}"),
        ),
        ("shop", "pa3", 3, &format!("{{{A}, portLevelMtls: {{9000: {{mode: STRICT}}}}}}")),
    ];
    assert_eq!(demanded(&z0104, 9090), open());
    assert_eq!(demanded(&z0104, 8080), strict());
    assert_eq!(demanded(&z0104, 9000), strict());
    let z0059 = [
        (ROOT, "pa1", 1, STRICT),
        (
            "shop",
            "pa2",
            2,
            &*format!("{{{A}, mtls: {{mode: UNSET}}, portLevelMtls: {{9000: {{mode: STRICT}}}}}}"),
        ),
    ];
    assert_eq!(demanded(&z0059, 8080), strict());
    let z0068 = [
        (ROOT, "pa1", 1, STRICT),
        (
            "shop",
            "pa2",
            2,
            &*format!("{{{A}, mtls: {{mode: DISABLE}}, portLevelMtls: {{9000: {{mode: PERMISSIVE}}}}}}"),
        ),
    ];
    assert_eq!(demanded(&z0068, 8080), open());
    assert_eq!(demanded(&z0068, 9000), open());
}

#[test]
fn the_oldest_of_a_class_counts_and_those_of_one_second_are_in_doubt() {
    let open_spec = "{mtls: {mode: PERMISSIVE}}";
    assert_eq!(demanded(&[("shop", "b", 1, STRICT), ("shop", "a", 2, open_spec)], 80), strict());
    let (mode, _) = demanded(&[("shop", "b", 1, STRICT), ("shop", "a", 1, open_spec)], 80);
    assert!(mode.contains("several modes"), "{mode}");
    // What comes to the same is not in doubt.
    assert_eq!(demanded(&[("shop", "b", 1, STRICT), ("shop", "a", 1, STRICT)], 80), strict());
}

#[test]
fn a_mesh_policy_with_an_empty_selector_is_of_the_root_namespace_alone() {
    let policies = [(ROOT, "d", 1, "{selector: {}, mtls: {mode: STRICT}}")];
    assert_eq!(demanded(&policies, 80), open());
    assert_eq!(demanded_in(ROOT, &policies, 80), strict());
}
