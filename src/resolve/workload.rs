//! Pods as clients and servers: their proxy, their name after their controller, their addresses.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ambient;
use super::config::Config;
use super::gaps::Missing;
use crate::model::decode::annotations;
use crate::model::pod::{Controller, Pod, ProxyKind};
use crate::model::{Kind, Labels, Object, ObjectId, Snapshot, Text};

/// What keeps a workload from being judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unclear {
    /// A template whose own labels do not tell whether it gets a proxy, and whose namespace was not read.
    Injection,
    /// A template that asks for a proxy in a word that is none, which versions of injection take differently.
    Asked,
    /// Annotations about ports that injection would have refused: what the proxy was told is not known.
    Interception,
    /// Several control planes, and what injection wrote down about the one cannot be read.
    Revision,
    /// Its gRPC library speaks to istiod itself, and its code decides whether it takes what that says.
    Proxyless,
}

/// A pod that takes part in the mesh's traffic.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The namespace.
    pub namespace: Text,
    /// The pod's name; `None` where it stands for a template.
    pub pod: Option<Text>,
    /// The name of its top controller, else the pod's own.
    pub name: Text,
    /// The kind of that controller, else `Pod`.
    pub kind: Text,
    /// Its labels.
    pub labels: Labels,
    /// What policy sees of it.
    pub proxy: ProxyKind,
    /// The revision of its control plane; empty for the one without a name.
    pub revision: Text,
    /// Whether anything that was read tells the revision.
    pub is_revision_told: bool,
    /// Why it cannot be told what stands between its application and the network.
    pub unclear: Option<Unclear>,
    /// The object it was read from.
    pub object: Arc<Object>,
}

impl Workload {
    /// What the pod, or the template that stands for it, says.
    pub fn body(&self) -> Option<&Pod> {
        let template = || Some(&self.object.body.workload()?.template.as_ref()?.pod);
        self.object.body.pod().or_else(template)
    }

    /// Whether it is ready to be called: a pod that is, or a template, of which nothing else is known.
    pub fn is_ready(&self) -> bool {
        self.pod.is_none() || self.body().is_some_and(|pod| pod.ready)
    }

    /// Its address without port; what stands for one where a template has none.
    pub fn address(&self) -> Option<String> {
        match &self.pod {
            Some(_) => self.body()?.addresses.first().map(ToString::to_string),
            None => Some(format!("{}/{}", self.kind.to_ascii_lowercase(), self.name)),
        }
    }

    /// What would be needed to judge it.
    pub fn missing(&self) -> Option<Missing> {
        Some(match self.unclear? {
            Unclear::Injection => {
                let need =
                    format!("the labels of namespace {} and whether they ask for a proxy", self.namespace);
                Missing::not_collected(Kind::Namespace.name(), need)
            }
            Unclear::Asked => {
                let need = format!("what injection makes of the sidecar.istio.io/inject of {}", self.path());
                Missing::not_collected(&self.kind, need)
            }
            Unclear::Interception => {
                let need = format!("which ports annotations keep from the proxy of {}", self.path());
                Missing::not_collected(Kind::Pod.name(), need)
            }
            Unclear::Revision => {
                let need = format!("which control plane the proxy of {} has", self.path());
                Missing::not_collected(Kind::Pod.name(), need)
            }
            Unclear::Proxyless => {
                let need = format!("what the gRPC library of {} makes of its settings", self.path());
                Missing::not_collected(Kind::Pod.name(), need)
            }
        })
    }

    /// Whether its label claims that it speaks Istio's mutual TLS (MT-3.1).
    pub fn claims_mtls(&self) -> bool {
        self.labels.get("security.istio.io/tlsMode") == Some("istio")
    }

    /// `namespace/name` of the workload.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// All of them, and how to find one.
#[derive(Debug, Default)]
pub struct Workloads {
    all: Vec<Workload>,
    by_pod: FxHashMap<(Text, Text), usize>,
    /// `None` where pods share an address (the node's): it names no one of them.
    by_address: FxHashMap<Text, Option<usize>>,
    by_namespace: FxHashMap<Text, Vec<usize>>,
    ended: FxHashSet<(Text, Text)>,
    /// Whether they are templates, because no pod was read at all.
    from_templates: bool,
}

impl Workloads {
    /// The pods of a snapshot that have not ended; where there are none, as in Git folders, those that the templates
    /// will make.
    pub fn new(snapshot: &Snapshot) -> Self {
        if snapshot.of_kind(&Kind::Pod).next().is_none() {
            return Self::of_templates(snapshot);
        }
        let mut workloads = Self::default();
        workloads.all.reserve(snapshot.of_kind(&Kind::Pod).count());
        let mut namespaces = NamespaceRevisions::new(snapshot);
        let planes = std::cell::LazyCell::new(|| Config::control_planes(snapshot));
        for object in snapshot.of_kind(&Kind::Pod) {
            let Some(pod) = object.body.pod() else { continue };
            if pod.ended {
                workloads.ended.insert((Arc::clone(&object.id.namespace), Arc::clone(&object.id.name)));
                continue;
            }
            let (kind, name) = top_controller(snapshot, object, pod);
            // Of a running pod this tells, and not what its namespace asks for (MT-6.1).
            let ambient = object.meta.annotations.get("ambient.istio.io/redirection") == Some("enabled");
            let proxy = if pod.proxy == ProxyKind::None && ambient { ProxyKind::Ztunnel } else { pod.proxy };
            let at = workloads.all.len();
            for address in &pod.addresses {
                let known = workloads.by_address.entry(Arc::clone(address));
                known.and_modify(|one| *one = None).or_insert(Some(at));
            }
            let namespace = Arc::clone(&object.id.namespace);
            workloads.by_pod.insert((Arc::clone(&namespace), Arc::clone(&object.id.name)), at);
            workloads.by_namespace.entry(Arc::clone(&namespace)).or_default().push(at);
            workloads.all.push(Workload {
                namespace,
                pod: Some(Arc::clone(&object.id.name)),
                name,
                kind,
                labels: object.meta.labels.clone(),
                proxy,
                is_revision_told: namespaces.is_told(&object.id.namespace, &object.meta.labels, pod),
                revision: namespaces.revision(&object.id.namespace, &object.meta.labels, pod),
                unclear: unclear(object, pod, || *planes > 1),
                object: Arc::clone(object),
            });
        }
        workloads
    }

    fn of_templates(snapshot: &Snapshot) -> Self {
        let mut workloads = Self::default();
        for workload in super::template::workloads(snapshot) {
            let at = workloads.all.len();
            workloads.by_namespace.entry(Arc::clone(&workload.namespace)).or_default().push(at);
            workloads.all.push(workload);
        }
        workloads.from_templates = !workloads.all.is_empty();
        workloads
    }

    /// What was taken for granted about all of them.
    pub fn assumed(&self) -> &'static [&'static str] {
        if self.from_templates { &["pods from templates", "proxy from injection labels"] } else { &[] }
    }

    /// All, by namespace and pod name.
    pub fn all(&self) -> &[Workload] {
        &self.all
    }

    /// The one at this index.
    pub fn get(&self, at: usize) -> Option<&Workload> {
        self.all.get(at)
    }

    /// The index of a pod.
    pub fn by_pod(&self, namespace: &str, name: &str) -> Option<usize> {
        self.by_pod.get(&(Text::from(namespace), Text::from(name))).copied()
    }

    /// Whether a pod has ended: it is no endpoint any more, whatever a slice still says.
    pub fn has_ended(&self, namespace: &str, name: &str) -> bool {
        self.ended.contains(&(Text::from(namespace), Text::from(name)))
    }

    /// The index of the pod with an address (without port).
    pub fn by_address(&self, address: &str) -> Option<usize> {
        self.by_address.get(address).copied().flatten()
    }

    /// The indices of a namespace's pods.
    pub fn in_namespace(&self, namespace: &str) -> &[usize] {
        self.by_namespace.get(namespace).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Why it cannot be told what a running pod's proxy does.
fn unclear(object: &Object, pod: &Pod, several: impl Fn() -> bool) -> Option<Unclear> {
    let notes = || object.notes.iter().filter(|_| pod.proxy != ProxyKind::None);
    let named = || object.meta.labels.get(REVISION).is_some();
    if pod.proxyless {
        Some(Unclear::Proxyless)
    } else if notes().any(annotations::is_about_interception) {
        Some(Unclear::Interception)
    } else if notes().any(annotations::is_about_revision) && !named() && several() {
        Some(Unclear::Revision)
    } else {
        None
    }
}

/// The label that names the control plane.
pub(super) const REVISION: &str = "istio.io/rev";

/// The revision that a label or annotation names; `default` is the name of the one without a name.
fn named_revision(name: &str) -> Text {
    if name == "default" { Text::default() } else { name.into() }
}

/// The revisions that namespaces ask for, each looked up once.
pub(super) struct NamespaceRevisions<'a> {
    snapshot: &'a Snapshot,
    known: FxHashMap<Text, Text>,
}

impl<'a> NamespaceRevisions<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, known: FxHashMap::default() }
    }

    /// The revision of a pod: as its label says, else as injection wrote it down, else as its namespace asks for.
    pub(super) fn revision(&mut self, namespace: &Text, labels: &Labels, pod: &Pod) -> Text {
        if let Some(own) = labels.get(REVISION).or(pod.injected_by.as_deref()) {
            return named_revision(own);
        }
        let of_namespace = |snapshot| ambient::namespace_labels(snapshot, namespace)?.get(REVISION);
        let snapshot = self.snapshot;
        let known = self.known.entry(Arc::clone(namespace));
        Arc::clone(known.or_insert_with(|| of_namespace(snapshot).map(named_revision).unwrap_or_default()))
    }
}

impl NamespaceRevisions<'_> {
    /// Whether a pod's label, injection or its namespace tells its revision, be it by saying nothing.
    pub(super) fn is_told(&self, namespace: &Text, labels: &Labels, pod: &Pod) -> bool {
        labels.get(REVISION).is_some()
            || pod.injected_by.is_some()
            || ambient::namespace_labels(self.snapshot, namespace).is_some()
    }
}

/// Kind and name of the top controller. A `ReplicaSet` that was not read is taken for a `Deployment`'s: its name
/// without the pod template's hash.
fn top_controller(snapshot: &Snapshot, object: &Object, pod: &Pod) -> (Text, Text) {
    let Some(first) = &pod.controller else { return ("Pod".into(), Arc::clone(&object.id.name)) };
    let mut top = first.clone();
    // A chain has three links at most (CronJob, Job, Pod); the bound guards against a circle.
    for _ in 0..4 {
        match parent(snapshot, &object.id.namespace, &top) {
            Parent::Is(next) => top = next,
            Parent::NotRead if &*top.kind == "ReplicaSet" => {
                let hash = object.meta.labels.get("pod-template-hash");
                let name = hash.and_then(|hash| top.name.strip_suffix(hash)?.strip_suffix('-'));
                let name =
                    name.or_else(|| top.name.rsplit_once('-').map(|(name, _)| name)).unwrap_or(&top.name);
                return ("Deployment".into(), name.into());
            }
            Parent::None | Parent::NotRead => return (top.kind, top.name),
        }
    }
    (top.kind, top.name)
}

enum Parent {
    Is(Controller),
    None,
    NotRead,
}

fn parent(snapshot: &Snapshot, namespace: &Text, controller: &Controller) -> Parent {
    let kind = match &*controller.kind {
        "ReplicaSet" => Kind::ReplicaSet,
        "Job" => Kind::Job,
        _ => return Parent::None,
    };
    let id = ObjectId { kind, namespace: Arc::clone(namespace), name: Arc::clone(&controller.name) };
    let Some(object) = snapshot.get(&id) else { return Parent::NotRead };
    match object.body.workload().and_then(|workload| workload.controller.clone()) {
        Some(parent) => Parent::Is(parent),
        None => Parent::None,
    }
}
