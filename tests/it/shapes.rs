//! The keys of every JSON document. Other programs read them: keys can be added here, and none goes away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Ran, meshscope};

const FIXTURES: [&str; 2] = ["fixtures/mtls/bookinfo-2019", "fixtures/mtls/mode-missing-both-logs"];
/// What is in the objects that were read, and not ours to name.
const FOREIGN: [&str; 4] = [".patch", ".trafficPolicy", ".manifest", ".value"];

type Keys = BTreeMap<String, BTreeSet<String>>;

fn run(words: &str, fixture: &str, format: &str) -> Ran {
    let words = words.split_whitespace().chain(["-f", fixture, "-o", format]);
    meshscope(env!("CARGO_MANIFEST_DIR").as_ref(), &words.collect::<Vec<_>>())
}

fn collect(value: &Value, path: &str, keys: &mut Keys) {
    match value {
        Value::Object(fields) => {
            keys.entry(path.to_owned()).or_default().extend(fields.keys().cloned());
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                if !FOREIGN.iter().any(|foreign| path.ends_with(foreign)) {
                    collect(value, &path, keys);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}[]"), keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys of a command's documents, a line each, as `path: key key`.
fn keys(words: &str) -> String {
    let mut keys = Keys::new();
    for fixture in FIXTURES {
        let document = run(words, fixture, "json").json();
        let head: Vec<_> = document.as_object().unwrap().keys().take(2).collect();
        assert_eq!(head, ["apiVersion", "kind"], "{words}: a document begins with its head");
        assert_eq!(document["apiVersion"], "meshscope/v1");
        collect(&document, "", &mut keys);
    }
    keys.remove(".scanned.objects");
    keys.remove(".formats");
    let line = |(path, keys): (String, BTreeSet<String>)| {
        format!("{path}: {}\n", keys.into_iter().collect::<Vec<_>>().join(" "))
    };
    keys.into_iter().map(line).collect::<Vec<_>>().concat()
}

#[test]
fn every_command_writes_every_format_with_the_same_exit_code() {
    let commands = [
        "check",
        "tls-check",
        "authn tls-check",
        "resolve",
        "resolve deploy/traffic-generator.web productpage.bookinfo",
        "why productpage.bookinfo",
        "logs",
        "explain MS0101",
        "config default",
        "tls-check deploy/traffic-generator.web --legacy-format 1.4",
    ];
    let has_head = |document: &Value, what: &str| {
        assert_eq!(document["apiVersion"], "meshscope/v1", "{what}");
        assert!(document["kind"].is_string(), "{what}");
    };
    for words in commands {
        let run = |format: &str| run(words, FIXTURES[0], format);
        let table = run("table");
        has_head(&run("json").json(), words);
        has_head(&serde_saphyr::from_str(&run("yaml").out).unwrap(), words);
        for format in ["wide", "json", "yaml", "name"] {
            let ran = run(format);
            assert_eq!(ran.code, table.code, "{words} -o {format}: {}", ran.err);
            assert!(!ran.out.trim().is_empty(), "{words} -o {format}");
        }
        let lines = run("ndjson");
        if words == "logs" {
            // Records have Envoy's own names and no head.
            assert_eq!(lines.code, table.code, "{words} -o ndjson: {}", lines.err);
            let record = |line| serde_json::from_str::<Value>(line).unwrap();
            assert!(lines.out.lines().map(record).all(|record| record["start_time"].is_string()));
        } else {
            assert_eq!(lines.code, table.code, "{words} -o ndjson: {}", lines.err);
            lines.out.lines().for_each(|line| has_head(&serde_json::from_str(line).unwrap(), words));
        }
        for format in ["sarif", "junit", "markdown"] {
            let ran = run(format);
            assert_eq!(ran.code, if words == "check" { table.code } else { 64 }, "{words} -o {format}");
        }
    }
}

#[test]
fn config_default() {
    let configuration = run("config default", FIXTURES[0], "json").json();
    let flags = configuration["settings"]["istiod"]["flags"].as_object().unwrap();
    let text = configuration["text"].as_str().unwrap();
    assert_eq!(run("config default", FIXTURES[0], "table").out, text);
    assert!(flags.len() > 5);
    for (name, on) in flags {
        assert!(text.contains(&format!("# {name} = {on}\n")), "{name}");
    }
}

#[test]
fn check() {
    insta::assert_snapshot!(keys("check"), @r"
    : apiVersion assumed findings istioVersion kind leftOut missing scanned summary
    .findings[]: because code confidence edgeCount edges evidence id message name objects owner remedies severity
    .findings[].because[]: code text
    .findings[].edges[]: client host port seen subset via
    .findings[].edges[].client: kind name namespace pod
    .findings[].evidence[]: count counted field first kind last object samples text value
    .findings[].evidence[].object: kind name namespace
    .findings[].evidence[].samples[]: file line
    .findings[].objects[]: fields kind name namespace origin role
    .findings[].objects[].origin: file line
    .findings[].remedies[]: changeCount changes command manifest object patch survives title
    .findings[].remedies[].changes[]: after before client clients host port subset
    .findings[].remedies[].changes[].after: destinationRule effective serverMode status trafficPolicy
    .findings[].remedies[].changes[].after.destinationRule: kind name namespace
    .findings[].remedies[].changes[].before: destinationRule effective serverMode status trafficPolicy
    .findings[].remedies[].changes[].before.destinationRule: kind name namespace
    .findings[].remedies[].changes[].client: kind name namespace pod
    .findings[].remedies[].changes[].clients: count examples
    .findings[].remedies[].changes[].clients.examples[]: kind name namespace pod
    .findings[].remedies[].object: kind name namespace
    .findings[].remedies[].survives: answer by
    .istioVersion: from value
    .leftOut: baseline ignored otherNamespaces
    .scanned: counters logLines objects pairs
    .summary: error info unknown warning
    ");
}

#[test]
fn tls_check() {
    insta::assert_snapshot!(keys("tls-check"), @r"
    : apiVersion kind rows
    .rows[]: assumed client clientTls clients destinationRule endpoints host missing port proxy reason server status subset symptom
    .rows[].client: kind name namespace pod
    .rows[].clientTls: effective mode sni source subjectAltNames
    .rows[].clients: count examples
    .rows[].clients.examples[]: kind name namespace pod
    .rows[].destinationRule: kind level name namespace
    .rows[].endpoints[]: address pod result sent serverMode targetPort tlsMode
    .rows[].server: level mode policy
    .rows[].server.policy: kind name namespace
    ");
}

#[test]
fn a_resolution() {
    insta::assert_snapshot!(keys("resolve bookinfo/productpage-v1 productpage.bookinfo"), @r"
    : apiVersion assumed candidates client contributors host kind level missing ports rule serviceNamespace subsets
    .candidates[]: host normalisedHost origin outcome reason rule wouldWinIf
    .candidates[].origin: file line
    .candidates[].rule: kind name namespace
    .client: kind name namespace pod
    .contributors[]: dropped kind name namespace parts
    .ports[]: port subset tls trafficPolicy
    .ports[].tls: mode source
    .rule: kind name namespace
    ");
}

#[test]
fn a_list_of_resolutions() {
    insta::assert_snapshot!(keys("resolve --all"), @r"
    : apiVersion items kind
    .items[]: apiVersion assumed candidates client contributors host kind level missing ports rule serviceNamespace subsets
    .items[].candidates[]: host normalisedHost origin outcome reason rule wouldWinIf
    .items[].candidates[].origin: file line
    .items[].candidates[].rule: kind name namespace
    .items[].client: kind name namespace pod
    .items[].contributors[]: dropped kind name namespace parts
    .items[].ports[]: port subset tls trafficPolicy
    .items[].ports[].tls: mode source
    .items[].rule: kind name namespace
    ");
}

#[test]
fn why() {
    insta::assert_snapshot!(keys("why productpage.bookinfo"), @r"
    : apiVersion kind pairCount pairs service
    .pairs[]: cause client clients findings logs next policies port proxies resolution status subset tls
    .pairs[].cause: alternatives cause client confidence count evidence host port
    .pairs[].cause.client: kind name namespace pod
    .pairs[].cause.evidence[]: count first kind last samples text
    .pairs[].cause.evidence[].samples[]: file line
    .pairs[].client: kind name namespace pod
    .pairs[].clients: count examples
    .pairs[].logs: groups
    .pairs[].logs.groups[]: count details durationMs first last pod reason reporter responseCode responseFlags upstreamCluster
    .pairs[].logs.groups[].durationMs: p50 p99
    .pairs[].policies[]: field kind level mode name namespace origin
    .pairs[].policies[].origin: file line
    .pairs[].resolution: apiVersion assumed candidates client contributors host kind level missing ports rule serviceNamespace subsets
    .pairs[].resolution.candidates[]: host normalisedHost origin outcome reason rule wouldWinIf
    .pairs[].resolution.candidates[].origin: file line
    .pairs[].resolution.candidates[].rule: kind name namespace
    .pairs[].resolution.client: kind name namespace pod
    .pairs[].resolution.contributors[]: dropped kind name namespace parts
    .pairs[].resolution.ports[]: port subset tls trafficPolicy
    .pairs[].resolution.ports[].tls: mode source
    .pairs[].resolution.rule: kind name namespace
    .pairs[].tls: assumed client clientTls clients destinationRule endpoints host missing port proxy reason server status subset symptom
    .pairs[].tls.client: kind name namespace pod
    .pairs[].tls.clientTls: effective mode sni source subjectAltNames
    .pairs[].tls.clients: count examples
    .pairs[].tls.destinationRule: kind level name namespace
    .pairs[].tls.endpoints[]: address pod result sent serverMode targetPort tlsMode
    .pairs[].tls.server: level mode policy
    .pairs[].tls.server.policy: kind name namespace
    .service: host namespace
    ");
}

#[test]
fn logs() {
    insta::assert_snapshot!(keys("logs"), @r"
    : apiVersion causes formats groups kind lines otherGroups
    .causes[]: alternatives cause client confidence count evidence host port
    .causes[].client: kind name namespace pod
    .causes[].evidence[]: count first kind last samples text
    .causes[].evidence[].samples[]: file line
    .groups[]: count details durationMs first last pod reason reporter responseCode responseFlags upstreamCluster
    .groups[].durationMs: p50 p99
    .lines: joined other parsed read
    ");
}

#[test]
fn explanation() {
    insta::assert_snapshot!(keys("explain UC"), @r"
    : apiVersion code kind seeAlso text title
    ");
}

/// `-o yaml` says the same as `-o json`, and `-o ndjson` the items one by one, each with its head.
#[test]
fn the_formats_agree() {
    for (words, list, kind) in [
        ("check", "findings", "Finding"),
        ("tls-check", "rows", "TlsCheckRow"),
        ("why productpage.bookinfo", "pairs", "WhyPair"),
        ("resolve", "items", "Resolution"),
    ] {
        let json = run(words, FIXTURES[0], "json").json();
        let yaml: Value = serde_saphyr::from_str(&run(words, FIXTURES[0], "yaml").out).unwrap();
        assert_eq!(yaml, json, "{words}");
        let lines = run(words, FIXTURES[0], "ndjson").out;
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), json[list].as_array().unwrap().len(), "{words}");
        for line in lines {
            let head: Vec<_> =
                line.as_object().unwrap().iter().take(2).map(|(_, value)| value.clone()).collect();
            assert_eq!(head, ["meshscope/v1", kind], "{words}");
        }
    }
}
