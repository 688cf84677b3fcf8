//! Whole cases: a setting, policies, a workload and requests to it, with nothing from anywhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeSeed as _;
use serde_json::{Map, Value, json};

use super::decision::AuthzDecision;
use super::requests::{Asked, Reader};
use crate::model::decode::{self, Head, ObjectSeed};
use crate::model::interner::Interner;
use crate::model::{Kind, Labels, Origin, Snapshot};
use crate::resolve::Config;
use crate::resolve::ambient::policies::AmbientPolicies;
use crate::resolve::authorize::attach::{Engine, GATEWAY_NAME, Handled, Subject};
use crate::resolve::authorize::envoy::{Provider, Remote, Setting};
use crate::resolve::authorize::evaluator::{Evaluator, Policies, Protocol};
use crate::resolve::authorize::path::Normalization;
use crate::resolve::config::{Ages, Options};

/// Answers all requests of all cases, in their order.
///
/// # Errors
///
/// The case and the key that cannot be read.
pub fn answer(cases: &Value, file: &str) -> Result<Vec<AuthzDecision>, String> {
    let list = cases.as_array().or_else(|| cases.get("examples").and_then(Value::as_array));
    let list = list.ok_or_else(|| "must be a list of cases, or an object with examples".to_owned())?;
    let mut all = Vec::new();
    for (at, case) in list.iter().enumerate() {
        let name = ["name", "id"].iter().find_map(|key| case.get(key).and_then(Value::as_str));
        let place = name.map_or_else(|| format!("[{at}]"), |name| format!("[{at}] ({name})"));
        let case = Case::read(case, file).map_err(|text| format!("{place}: {text}"))?;
        for (number, request) in case.requests.iter().enumerate() {
            let (asked, http) = case.asked(request, number).map_err(|text| format!("{place}: {text}"))?;
            let decision = case.evaluator.decide(http, &asked.request);
            let engine = case.evaluator.policies.subject.engine;
            let mut answer = AuthzDecision::new(&decision, engine, false);
            answer.id = asked.id.or_else(|| Some(format!("{}-{number:02}", name.unwrap_or_default())));
            all.push(answer);
        }
    }
    Ok(all)
}

struct Case<'a> {
    evaluator: Evaluator,
    protocol: Protocol,
    requests: &'a [Value],
}

/// What a request of a case has where it does not say.
fn defaults(protocol: Protocol) -> Map<String, Value> {
    let default = match protocol {
        Protocol::Http => json!({"principal": "cluster.local/ns/bar/sa/client", "method": "GET", "path": "/",
            "host": "httpbin.foo.svc.cluster.local", "port": 8080, "source_ip": "10.0.0.9", "dest_ip": "10.1.1.1",
            "sni": "", "headers": {}, "jwt": null}),
        Protocol::Tcp => {
            json!({"principal": "cluster.local/ns/bar/sa/client", "port": 9000, "source_ip": "10.0.0.9",
            "dest_ip": "10.1.1.1", "sni": "", "headers": {}, "jwt": null})
        }
    };
    default.as_object().cloned().unwrap_or_default()
}

impl<'a> Case<'a> {
    fn read(case: &'a Value, file: &str) -> Result<Self, String> {
        let empty = json!({});
        let context = Context(case.get("context").unwrap_or(&empty));
        let subject = context.subject()?;
        let setting = context.setting(subject.engine)?;
        let objects =
            ["objects", "policies"].into_iter().filter_map(|key| case.get(key)?.as_array()).flatten();
        let snapshot = snapshot(objects, file)?;
        let root = subject.root_namespace.to_string();
        let policies = snapshot
            .of_kind(&Kind::AuthorizationPolicy)
            .chain(snapshot.of_kind(&Kind::RequestAuthentication));
        let is_ztunnel = subject.engine == Engine::Ztunnel;
        let policies = Policies::choose(subject, policies);
        let evaluator = if is_ztunnel {
            let options = Options { root_namespace: Some(root), ..Options::default() };
            let strict =
                AmbientPolicies::new(&snapshot, &Config::new(&snapshot, &options), Ages::MissingIsOldest);
            Evaluator::ztunnel(policies, Arc::new(strict))
        } else {
            Evaluator::envoy(policies, &setting)
        };
        let requests = case.get("requests").and_then(Value::as_array).ok_or("requests: must be a list")?;
        Ok(Self { evaluator, protocol: context.protocol()?.unwrap_or(Protocol::Http), requests })
    }

    /// A request with its defaults, and what its port speaks.
    fn asked(&self, value: &Value, number: usize) -> Result<(Asked, Protocol), String> {
        let place = format!("requests[{number}].request");
        let given = value.get("request").unwrap_or(value);
        let given = given.as_object().ok_or_else(|| format!("{place}: must be an object"))?;
        let own = Reader { fields: given, place: &place }.protocol()?;
        let protocol = own.unwrap_or(self.protocol);
        let mut fields = defaults(protocol);
        fields.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
        let mut request = Reader { fields: &fields, place: &place }.request()?;
        (request.headers.are_all, request.has_no_metadata) = (true, true);
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        Ok((Asked { id, protocol: Some(protocol), request }, protocol))
    }
}

/// The objects of a case. One that cannot be read stays as such.
fn snapshot<'a>(objects: impl Iterator<Item = &'a Value>, file: &str) -> Result<Snapshot, String> {
    let mut interner = Interner::default();
    let mut snapshot = Snapshot::default();
    for (at, object) in objects.enumerate() {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let head = Head { api_version: text("apiVersion"), kind: text("kind") };
        let kind = head.kind().ok_or_else(|| format!("objects[{at}]: has no apiVersion and kind"))?;
        let origin = Origin { file: file.into(), line: 0 };
        let (mut mesh_text, mut refused) = (None, None);
        let seed = ObjectSeed {
            kind,
            api_version: &head.api_version,
            origin: origin.clone(),
            interner: &mut interner,
            mesh_text: &mut mesh_text,
            refused: &mut refused,
        };
        let read = seed.deserialize(object.clone());
        let meta = |key: &str| object.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
        let object = read.map_err(|error| error.to_string()).or_else(|error| {
            let (namespace, name) =
                (meta("namespace").unwrap_or("default"), meta("name").unwrap_or_default());
            let note = refused.ok_or(error)?;
            decode::unreadable(&head, namespace, name, origin, note).ok_or_else(String::new)
        });
        snapshot.add(object.map_err(|text| format!("objects[{at}]: {text}"))?);
    }
    Ok(snapshot)
}

/// The key `context` of a case.
struct Context<'a>(&'a Value);

impl Context<'_> {
    fn text(&self, path: &str) -> Result<Option<&str>, String> {
        match self.0.pointer(path) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("context{}: must be a text", path.replace('/', "."))),
        }
    }

    fn protocol(&self) -> Result<Option<Protocol>, String> {
        match self.text("/protocol")? {
            None => Ok(None),
            Some("http") => Ok(Some(Protocol::Http)),
            Some("tcp") => Ok(Some(Protocol::Tcp)),
            Some(other) => Err(format!("context.protocol: {other:?} is neither http nor tcp")),
        }
    }

    fn subject(&self) -> Result<Subject, String> {
        let mut interner = Interner::default();
        let pairs = self.0.pointer("/workload/labels").and_then(Value::as_object).into_iter().flatten();
        let labels: Labels =
            interner.labels(pairs.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))));
        let is_waypoint = self.0.pointer("/workload/waypoint").and_then(Value::as_bool).unwrap_or_default();
        let engine = match self.text("/engine")? {
            Some("ztunnel") => Engine::Ztunnel,
            None | Some("envoy") if is_waypoint => Engine::Waypoint,
            None | Some("envoy") if labels.get(GATEWAY_NAME).is_some() => Engine::Gateway,
            None | Some("envoy") => Engine::Sidecar,
            Some(other) => return Err(format!("context.engine: {other:?} is neither envoy nor ztunnel")),
        };
        let namespace = self.text("/workload/namespace")?.unwrap_or("foo");
        let service = match (self.text("/service/name")?, self.text("/service/namespace")?) {
            (None, _) => None,
            (Some(name), of) => Some(Handled {
                name: name.into(),
                namespace: of.unwrap_or(namespace).into(),
                is_kubernetes: self.text("/service/registry")?.unwrap_or("Kubernetes") == "Kubernetes",
            }),
        };
        let on = self.0.get("selector_policies_on_gateways").and_then(Value::as_bool).unwrap_or(true);
        Ok(Subject {
            namespace: namespace.into(),
            labels,
            engine,
            service,
            root_namespace: self.text("/root_namespace")?.unwrap_or("istio-system").into(),
            selectors_on_gateways: on,
        })
    }

    fn setting(&self, engine: Engine) -> Result<Setting, String> {
        let texts = |key: &str| self.0.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut domains: Vec<String> =
            texts("trust_domains").filter_map(Value::as_str).map(str::to_owned).collect();
        if domains.is_empty() {
            domains.push("cluster.local".to_owned());
        }
        let word = self.text("/path_normalization")?.unwrap_or_default();
        let normalization = Normalization::of_word(word)
            .ok_or_else(|| format!("context.path_normalization: {word:?} is no setting"))?;
        let mut providers = BTreeMap::new();
        for (name, value) in
            self.0.get("ext_authz_providers").and_then(Value::as_object).into_iter().flatten()
        {
            let is_http = match value.get("type").and_then(Value::as_str) {
                Some("http") => true,
                Some("grpc") => false,
                _ => return Err(format!("context.ext_authz_providers.{name}.type: must be http or grpc")),
            };
            providers.insert(
                name.clone(),
                Provider { is_http, answer: value.get("answer").and_then(Value::as_bool) },
            );
        }
        let remote = match engine {
            Engine::Gateway => Remote::Gateway(0),
            Engine::Sidecar | Engine::Waypoint | Engine::Ztunnel => Remote::Sidecar,
        };
        Ok(Setting {
            trust_domains: domains,
            normalization: Some(normalization),
            providers,
            several_providers: false,
            remote,
        })
    }
}
